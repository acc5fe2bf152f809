package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// newFile is a file with this in it.
func newFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	rs, ps, es, ed := newSigner(t, "RS256", "rs"), newSigner(t, "PS256", "ps"), newSigner(t, "ES256", "es"), newSigner(t, "EdDSA", "ed")
	filed, foreign, shared := newSigner(t, "RS256", ""), newSigner(t, "RS256", "rs"), []byte(strings.Repeat("s3cret", 8))
	jwks := startIssuer(t, rs, ps, es, ed)
	oct := []byte(strings.Repeat("published", 5))
	jwks.add(map[string]any{"kty": "oct", "kid": "oct", "alg": "HS256", "k": base64.RawURLEncoding.EncodeToString(oct)})
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	public := startHub(t, append(jwks.settings(), redis, "HUB_JWT_KEYS_FILE="+newFile(t, filed.pem(t)))...)
	secret := startHub(t, redis, "HUB_JWT_ISSUER="+testIssuer, "HUB_JWT_SECRET_FILE="+newFile(t, shared))
	good := func() map[string]any { return claims("ann", time.Hour, bossGrant) }
	signed := func(s *signer, kid string) string { return s.tokenWith(t, map[string]any{"kid": kid}, good()) }
	ask := func(h *testHub, token string) response {
		return h.by(token).call("POST", "/v1/streams/orders/events", `{"data":1}`)
	}

	for name, s := range map[string]*signer{"RS256": rs, "PS256": ps, "ES256": es, "EdDSA": ed, "PEM": filed} {
		if answer := ask(public, s.token(t, good())); answer.StatusCode != http.StatusCreated {
			t.Errorf("a good token by %s: %d %s", name, answer.StatusCode, answer.body)
		}
	}
	if answer := ask(secret, bySecret(shared).token(t, good())); answer.StatusCode != http.StatusCreated {
		t.Errorf("a good token by HS256: %d %s", answer.StatusCode, answer.body)
	}
	for name, value := range map[string]any{"exp": time.Now().Add(-30 * time.Second).Unix(), "nbf": time.Now().Add(30 * time.Second).Unix(), "aud": []string{"a", "eventhub"}} {
		if answer := ask(public, rs.token(t, with(good(), name, value))); answer.StatusCode != http.StatusCreated {
			t.Errorf("a token that is good within the leeway, by %s: %d %s", name, answer.StatusCode, answer.body)
		}
	}

	unsigned := func(alg, signature string) string {
		return encoded(t, map[string]any{"alg": alg, "typ": "JWT", "kid": "rs"}) + "." + encoded(t, good()) + "." + signature
	}
	whole := rs.token(t, good())
	parts := strings.Split(whole, ".")
	attacks := map[string]string{
		"none":                              unsigned("none", ""),
		"None":                              unsigned("None", ""),
		"none with a signature":             unsigned("none", parts[2]),
		"no algorithm":                      unsigned("", parts[2]),
		"no signature":                      parts[0] + "." + parts[1] + ".",
		"two parts":                         parts[0] + "." + parts[1],
		"four parts":                        whole + ".",
		"another's signature":               parts[0] + "." + parts[1] + "." + strings.Split(ps.token(t, good()), ".")[2],
		"other claims":                      parts[0] + "." + encoded(t, claims("boss", time.Hour, bossGrant)) + "." + parts[2],
		"RS256 to HS256 by the PEM":         bySecret(filed.pem(t)).token(t, good()),
		"RS256 to HS256 by the PEM, trim":   bySecret([]byte(strings.TrimSpace(string(filed.pem(t))))).token(t, good()),
		"RS256 to HS256 with the kid":       signed(bySecret(rs.pem(t)), "rs"),
		"a secret in the JWKS":              signed(bySecret(oct), "oct"),
		"an empty secret":                   signed(bySecret(nil), "oct"),
		"RS256 by the key of PS256":         rs.tokenWith(t, map[string]any{"kid": "ps"}, good()),
		"ES256 named RS256":                 es.tokenWith(t, map[string]any{"alg": "RS256", "kid": "rs"}, good()),
		"EdDSA by the kid of ES256":         signed(ed, "es"),
		"another key with the same kid":     foreign.token(t, good()),
		"a key of its own":                  foreign.tokenWith(t, map[string]any{"jwk": foreign.jwk()}, good()),
		"a URL of its own":                  foreign.tokenWith(t, map[string]any{"jku": jwks.URL, "x5u": jwks.URL}, good()),
		"an extension that must be known":   rs.tokenWith(t, map[string]any{"crit": []string{"exp"}}, good()),
		"expired":                           rs.token(t, claims("ann", -2*time.Minute, bossGrant)),
		"expired, longer than the leeway":   rs.token(t, with(good(), "exp", float64(time.Now().Add(-62*time.Second).UnixMilli())/1000)),
		"without an end":                    rs.token(t, without(good(), "exp")),
		"with an end that is text":          rs.token(t, with(good(), "exp", "tomorrow")),
		"not yet":                           rs.token(t, with(good(), "nbf", time.Now().Add(2*time.Minute).Unix())),
		"for another audience":              rs.token(t, with(good(), "aud", "mailhub")),
		"for no audience":                   rs.token(t, without(good(), "aud")),
		"for a part of the audience":        rs.token(t, with(good(), "aud", []string{"event", "eventhub2"})),
		"of another issuer":                 rs.token(t, with(good(), "iss", testIssuer+"/")),
		"of no issuer":                      rs.token(t, without(good(), "iss")),
		"of nobody":                         rs.token(t, without(good(), "sub")),
		"of an empty subject":               rs.token(t, with(good(), "sub", "")),
		"with permissions that are no list": rs.token(t, with(good(), "hub", map[string]any{"permissions": "all"})),
		"a key that nobody has":             newKey(),
		"a key with dots":                   "hub_.a.b",
		"nothing":                           "",
		"a very long one":                   strings.Repeat("a", 30_000) + "." + parts[1] + "." + parts[2],
	}
	for name, token := range attacks {
		for hub, h := range map[string]*testHub{"by public keys": public, "by a secret": secret} {
			answer := h.call("POST", "/v1/streams/forged/events", `{"data":1}`, "Authorization: Bearer "+token)
			if answer.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(answer.Header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s, checked %s: %d %v %s", name, hub, answer.StatusCode, answer.Header, answer.body)
			}
			if len(token) > 20 && strings.Contains(string(answer.body), token[len(token)/2:]) {
				t.Errorf("%s: the answer tells the token: %s", name, answer.body)
			}
		}
	}
	if answer := ask(secret, whole); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token by RS256 where a secret is set: %d %s", answer.StatusCode, answer.body)
	}
	for _, query := range []string{"?token=", "?access_token=", "?authorization=Bearer%20", "?ticket="} {
		if answer := public.call("GET", "/v1/streams"+query+whole, ""); answer.StatusCode == http.StatusOK {
			t.Errorf("a token in the query, %s: %d %s", query, answer.StatusCode, answer.body)
		}
	}
	if answer := public.by(whole).call("GET", "/v1/streams/forged", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("something was published: %d %s", answer.StatusCode, answer.body)
	}
}

// TestFloodOfUnknownKeysCostsOneFetch has 1,000 tokens a second with keys that nobody
// has published, as fast as this machine lets it.
func TestFloodOfUnknownKeysCostsOneFetch(t *testing.T) {
	t.Parallel()
	good, forger := newSigner(t, "ES256", "good"), newSigner(t, "ES256", "")
	jwks := startIssuer(t, good)
	h := startHub(t, append(jwks.settings(), "HUB_REDIS_URL="+startRedis(t).URL())...)
	transport := &http.Transport{MaxIdleConnsPerHost: 200}
	t.Cleanup(transport.CloseIdleConnections)
	h.via = transport
	const tokens, perSecond = 2000, 1000
	var flood, passing sync.WaitGroup
	var refusals atomic.Int64
	began, pace := time.Now(), time.NewTicker(time.Second/perSecond*10)
	defer pace.Stop()
	over := make(chan struct{})
	passing.Go(func() {
		token := good.token(t, claims("ann", time.Hour, bossGrant))
		for n := 0; ; n++ {
			select {
			case <-over:
				t.Logf("%d requests with a good token meanwhile", n)
				return
			case <-time.After(10 * time.Millisecond):
			}
			if answer := h.by(token).call("GET", "/v1/streams", ""); answer.StatusCode != http.StatusOK {
				t.Errorf("a good token meanwhile: %d %s", answer.StatusCode, answer.body)
			}
		}
	})
	bound := make(chan struct{}, 150)
	for i := range tokens {
		if i%10 == 0 {
			<-pace.C
		}
		bound <- struct{}{}
		flood.Go(func() {
			defer func() { <-bound }()
			token := forger.tokenWith(t, map[string]any{"kid": fmt.Sprint("k", i)}, claims("eve", time.Hour, bossGrant))
			if answer := h.by(token).call("GET", "/v1/streams", ""); answer.StatusCode == http.StatusUnauthorized {
				refusals.Add(1)
			} else {
				t.Errorf("an unknown key: %d %s", answer.StatusCode, answer.body)
			}
		})
	}
	sent := time.Since(began)
	flood.Wait()
	close(over)
	passing.Wait()
	took, asks := time.Since(began), jwks.asked()
	if refusals.Load() != tokens {
		t.Errorf("%d of %d were refused by 401", refusals.Load(), tokens)
	}
	if most := 2 + int(took/(10*time.Second)); len(asks) > most { // one at the start, one at once, then one each 10 s
		t.Errorf("the issuer was asked %d times in %s, want %d at most", len(asks), took, most)
	}
	for i := 2; i < len(asks); i++ { // the first is of the start
		if between := asks[i].Sub(asks[i-1]); between < 9900*time.Millisecond {
			t.Errorf("the issuer was asked again after %s", between)
		}
	}
	t.Logf("%d unknown keys in %s, all refused within %s, %d fetches", tokens, sent.Round(time.Millisecond), took.Round(time.Millisecond), len(asks))
}

func TestRotationOfKeysRefusesNoValidToken(t *testing.T) {
	t.Parallel()
	old, young := newSigner(t, "RS256", "2026-01"), newSigner(t, "ES256", "2026-02")
	jwks := startIssuer(t, old)
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	hubs := []*testHub{startHub(t, append(jwks.settings(), redis)...), startHub(t, append(jwks.settings(), redis)...)}
	var present atomic.Pointer[signer]
	present.Store(old)
	var served [2]atomic.Int64 // by the old key, by the young one
	over := make(chan struct{})
	var publishing sync.WaitGroup
	for i := range 4 {
		publishing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				default:
				}
				by, which := present.Load(), 0
				if by == young {
					which = 1
				}
				token := by.token(t, claims(fmt.Sprintf("worker-%d-%d", i, n), time.Hour, bossGrant))
				answer := hubs[n%2].by(token).call("POST", "/v1/streams/orders/events", `{"data":1}`)
				if answer.StatusCode != http.StatusCreated {
					t.Errorf("a token by the key %s: %d %s", by.kid, answer.StatusCode, answer.body)
					return
				}
				served[which].Add(1)
			}
		})
	}
	enough := func(which int) func() string {
		return func() string {
			if n := served[which].Load(); n < 100 && !t.Failed() {
				return fmt.Sprintf("%d requests by the key %d", n, which)
			}
			return ""
		}
	}
	eventually(t, enough(0))
	jwks.publish(old, young)
	present.Store(young) // at once, as an issuer does that tells nobody before
	eventually(t, enough(1))
	close(over)
	publishing.Wait()
	// What the old key has signed is good until it is published no more.
	for _, h := range hubs {
		if answer := h.by(old.token(t, claims("late", time.Hour, bossGrant))).call("GET", "/v1/streams", ""); answer.StatusCode != http.StatusOK {
			t.Errorf("a token by the old key: %d %s", answer.StatusCode, answer.body)
		}
	}
	t.Logf("%d requests by the old key, %d by the young one, %d fetches by two hubs", served[0].Load(), served[1].Load(), len(jwks.asked()))
}
