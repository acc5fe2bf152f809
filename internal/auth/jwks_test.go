package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

func TestPublishedKeysAreForWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	oct := `{"kty":"oct","kid":"oct","alg":"HS256","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}`
	with := func(key, fields string) string { // a set of one key has it between [ and ]
		return strings.TrimSuffix(key[strings.IndexByte(key, '[')+1:strings.LastIndexByte(key, ']')], "}") + fields + "}"
	}
	body := `{"keys":[` + strings.Join([]string{
		oct,
		with(set("rsa", rsaKey().Public()), `,"alg":"RS256","use":"sig"`),
		with(set("ec", ecKey().Public()), ``),
		with(set("enc", otherRSA().Public()), `,"use":"enc"`),
		with(set("sealing", edKey().Public()), `,"key_ops":["sign"]`),
		with(set("odd", ecKey().Public()), `,"alg":"RS256"`),
		`{"kty":"AKP","kid":"later","alg":"ML-DSA-44","pub":"AAAA"}`, `{"kty":"RSA"}`,
	}, ",") + `],"more":1}`
	published(t, body, auth.Options{SecretFile: file(t, strings.Repeat("s", 32))}, func(t *testing.T, r *rig, p *publisher) {
		r.takes(sign(jwa.RS256(), rsaKey(), "rsa", claims(nil)))
		r.takes(sign(jwa.RS256(), rsaKey(), "", claims(nil)))
		r.takes(sign(jwa.ES256(), ecKey(), "ec", claims(nil)))
		r.refuses(sign(jwa.PS256(), rsaKey(), "rsa", claims(nil)), hub.CodeUnauthenticated, "signature") // another alg than the key's
		r.refuses(sign(jwa.RS256(), rsaKey(), "ec", claims(nil)), hub.CodeUnauthenticated, "signature")  // the alg of another key
		r.refuses(sign(jwa.HS256(), []byte("0123456789abcdef0123456789abcdef"), "oct", claims(nil)), hub.CodeUnauthenticated, "signature")
		if n := len(p.fetches()); n != 1 {
			t.Errorf("the keys were asked for %d times, want once", n)
		}
		for kid, token := range map[string]string{
			"enc": sign(jwa.RS256(), otherRSA(), "enc", claims(nil)), "sealing": sign(jwa.EdDSA(), edKey(), "sealing", claims(nil)),
			"odd": sign(jwa.ES256(), ecKey(), "odd", claims(nil)),
		} {
			t.Log(kid)
			r.refuses(token, hub.CodeUnauthenticated, "unknown_key_id")
		}
	})
}

func TestRotationRefusesNoValidToken(t *testing.T) {
	t.Parallel()
	published(t, set("one", rsaKey().Public()), auth.Options{}, func(t *testing.T, r *rig, p *publisher) {
		old := r.takes(sign(jwa.RS256(), rsaKey(), "one", claims(nil)))
		var group sync.WaitGroup
		for i := range 300 { // tokens of what is newest, ten a second, while keys come and go
			switch i {
			case 55:
				p.publish(set("one", rsaKey().Public(), "two", otherRSA().Public()), http.StatusOK)
			case 155:
				p.publish(set("two", otherRSA().Public(), "three", ecKey().Public()), http.StatusOK)
			}
			token := sign(jwa.RS256(), rsaKey(), "one", claims(map[string]any{"jti": fmt.Sprint(i)}))
			switch {
			case i >= 155:
				token = sign(jwa.ES256(), ecKey(), "three", claims(map[string]any{"jti": fmt.Sprint(i)}))
			case i >= 55:
				token = sign(jwa.RS256(), otherRSA(), "two", claims(map[string]any{"jti": fmt.Sprint(i)}))
			}
			if i >= 55 && i%100 >= 95 || i < 55 || i%10 == 0 { // of those that wait there is a bound
				group.Go(func() { r.takes(token) })
			}
			time.Sleep(100 * time.Millisecond)
		}
		group.Wait()
		fetchedApart(t, p)
		if e := old.Ended(time.Now()); e == nil || e.Code != hub.CodeUnauthenticated {
			t.Errorf("who came by a key that is not published any more has not ended: %v", e)
		}
		time.Sleep(10 * time.Minute)
		if n := len(p.fetches()); n < 4 || n > 7 {
			t.Errorf("the keys were asked for %d times in 10 minutes and a half", n)
		}
	})
}

// fetchedApart wants the questions 10 s apart.
func fetchedApart(t *testing.T, p *publisher) {
	t.Helper()
	asked := p.fetches()
	for i := 1; i < len(asked); i++ {
		if apart := asked[i].Sub(asked[i-1]); apart < 10*time.Second {
			t.Errorf("the keys were asked for again after %s", apart)
		}
	}
}

func TestFloodOfUnknownKeysAsksOncePer10Seconds(t *testing.T) {
	t.Parallel()
	published(t, set("one", rsaKey().Public()), auth.Options{}, func(t *testing.T, r *rig, p *publisher) {
		good := sign(jwa.RS256(), rsaKey(), "one", claims(nil))
		r.takes(good)
		forged := strings.Split(sign(jwa.RS256(), rsaKey(), "x", claims(nil)), ".")
		began := time.Now()
		var atOnce, later atomic.Int64
		var group sync.WaitGroup
		for i := range 12_000 { // 1,000 a second
			header := unsignedHeader(fmt.Sprintf(`{"alg":"RS256","kid":"k%d"}`, i))
			group.Go(func() {
				came := time.Now()
				_, err := r.Authenticate(t.Context(), header+"."+forged[1]+"."+forged[2])
				if e := hub.AsError(err); err == nil || e.Code != hub.CodeUnauthenticated {
					t.Errorf("got %v", err)
				}
				if time.Since(came) == 0 {
					atOnce.Add(1)
				} else {
					later.Add(1)
				}
			})
			time.Sleep(time.Millisecond)
		}
		r.takes(good)
		group.Wait()
		fetchedApart(t, p)
		if n := len(p.fetches()); n < 2 || n > 4 {
			t.Errorf("the keys were asked for %d times in %s", n, time.Since(began))
		}
		if atOnce.Load() < 11_700 || later.Load() > 64*4 {
			t.Errorf("%d were refused at once, %d waited", atOnce.Load(), later.Load())
		}
	})
}

func TestTokensThatCannotBeGoodDoNotHaveTheIssuerAsked(t *testing.T) {
	t.Parallel()
	published(t, set("one", rsaKey().Public()), auth.Options{}, func(t *testing.T, r *rig, p *publisher) {
		synctest.Wait()
		for reason, changes := range map[string]map[string]any{
			"issuer": {"iss": "x"}, "audience": {"aud": "x"}, "expired": {"exp": 1}, "not_yet_valid": {"nbf": time.Now().Add(time.Hour).Unix()},
		} {
			r.refuses(sign(jwa.RS256(), rsaKey(), "unknown", claims(changes)), hub.CodeUnauthenticated, reason)
		}
		time.Sleep(30 * time.Second)
		if n := len(p.fetches()); n != 1 {
			t.Errorf("the keys were asked for %d times", n)
		}
	})
}

func TestIssuerThatCannotBeReached(t *testing.T) {
	t.Parallel()
	published(t, "no keys", auth.Options{}, func(t *testing.T, r *rig, p *publisher) {
		token := sign(jwa.RS256(), rsaKey(), "one", claims(nil))
		_, err := r.Authenticate(t.Context(), token)
		if e := hub.AsError(err); e.Code != hub.CodeUnavailable || e.RetryAfter < time.Second || e.RetryAfter > 10*time.Second {
			t.Errorf("before there was an answer: %v, again after %s", err, e.RetryAfter)
		}
		r.refuses(token, hub.CodeUnavailable, "keys_unavailable")
		p.publish(set("one", rsaKey().Public()), http.StatusOK)
		time.Sleep(12 * time.Second)
		first := r.takes(token)
		p.publish("", http.StatusInternalServerError)
		time.Sleep(time.Hour)
		token = sign(jwa.RS256(), rsaKey(), "one", claims(nil))
		r.takes(token) // by the keys from before
		if strings.Contains(fmt.Sprint(first.Ended(first.Expires().Add(-time.Second))), "taken away") {
			t.Error("who came by a key has ended though nobody took it away")
		}
		_, err = r.Authenticate(t.Context(), sign(jwa.ES256(), ecKey(), "two", claims(nil)))
		if e := hub.AsError(err); e.Code != hub.CodeUnavailable {
			t.Errorf("a token of a key that may be new: %v", err)
		}
		if strings.Contains(r.log.String(), "hunter2") {
			t.Errorf("what may be a secret is in the log: %s", &r.log)
		}
		lines := strings.Count(r.log.String(), "cannot be had")
		if lines < 10 || lines > 62 || lines > len(p.fetches()) {
			t.Errorf("%d lines about an issuer that is away for an hour", lines)
		}
		p.publish(`{"keys":[]}`, http.StatusOK)
		time.Sleep(10 * time.Minute)
		r.takes(token)
		fetchedApart(t, p)
	})
}

func TestAnswersOfIssuersAreBounded(t *testing.T) {
	t.Parallel()
	published(t, set("one", rsaKey().Public())+strings.Repeat(" ", 1<<20), auth.Options{}, func(t *testing.T, r *rig, _ *publisher) {
		synctest.Wait()
		r.refuses(sign(jwa.RS256(), rsaKey(), "one", claims(nil)), hub.CodeUnavailable, "keys_unavailable")
		if !strings.Contains(r.log.String(), "more than 1048576 bytes") {
			t.Errorf("the log says %s", &r.log)
		}
	})
}

func TestKeysAreAskedForOverRealHTTPAndNeverByARedirectionElsewhere(t *testing.T) {
	t.Parallel()
	keys := httptest.NewServer(&publisher{body: set("one", rsaKey().Public()), status: http.StatusOK})
	t.Cleanup(keys.Close)
	elsewhere := httptest.NewServer(http.RedirectHandler("http://issuer.invalid/keys", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	here := httptest.NewServer(http.RedirectHandler(keys.URL, http.StatusFound))
	t.Cleanup(here.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	for url, fault := range map[string]string{keys.URL: "", here.URL: "", elsewhere.URL: "it is redirected to http", gone.URL: "connection refused"} {
		r := open(t, auth.Options{JWKSURL: url + "?key=hunter2"})
		running(t, r)
		token := sign(jwa.RS256(), rsaKey(), "one", claims(nil))
		if fault == "" {
			r.takes(token)
			continue
		}
		r.refuses(token, hub.CodeUnavailable, "keys_unavailable")
		if !strings.Contains(r.log.String(), fault) || strings.Contains(r.log.String(), "hunter2") {
			t.Errorf("the log says %s", &r.log)
		}
	}
}

func TestURLsOfIssuers(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"https://issuer.example/keys": true, "http://localhost:8080/keys": true, "http://127.0.0.1/keys": true, "http://[::1]:80": true,
		"http://issuer.example/keys": false, "http://localhost.example": false, "ftp://issuer.example": false, "issuer.example": false, "https://": false,
		"https://user:password@issuer.example": false, "file:///etc/passwd": false, "": true,
	} {
		faults := auth.Check(auth.Options{JWKSURL: url})
		if good != (len(faults) == 0) {
			t.Errorf("%s: %v", url, faults)
		}
	}
}

func unsignedHeader(header string) string {
	return strings.Split(unsigned(header, nil), ".")[0]
}

// running runs an Authenticator until the end of the test.
func running(t *testing.T, r *rig) {
	t.Helper()
	ctx, stop := contextOf(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}
