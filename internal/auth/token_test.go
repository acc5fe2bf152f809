package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

func TestTokensOfEveryKindAreTaken(t *testing.T) {
	t.Parallel()
	r := open(t, auth.Options{SecretFile: file(t, secret+"\n"), PublicKeysFile: file(t, publicPEM(rsaKey(), ecKey(), edKey()))})
	for alg, key := range map[jwa.SignatureAlgorithm]any{
		jwa.HS256(): []byte(secret), jwa.RS256(): rsaKey(), jwa.RS384(): rsaKey(), jwa.RS512(): rsaKey(), jwa.PS256(): rsaKey(), jwa.PS384(): rsaKey(),
		jwa.PS512(): rsaKey(), jwa.ES256(): ecKey(), jwa.EdDSA(): edKey(),
	} {
		for _, kid := range []string{"", "any"} { // PEM has no names
			p := r.takes(sign(alg, key, kid, claims(nil)))
			if p.ID() != "jwt:ann" || p.May(auth.Publish, auth.Stream, "orders") != nil || p.May(auth.Read, auth.Stream, "orders") == nil {
				t.Errorf("%s: it is that of %s with other permissions than it says", alg, p.ID())
			}
		}
	}
}

func TestTokensThatAreNotGoodAreRefused(t *testing.T) {
	t.Parallel()
	r := open(t, auth.Options{SecretFile: file(t, secret), PublicKeysFile: file(t, publicPEM(rsaKey(), ecKey()))})
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, c := range map[string]struct {
		changes map[string]any
		reason  string
	}{
		"no exp":                    {map[string]any{"exp": nil}, "claims"},
		"no sub":                    {map[string]any{"sub": nil}, "claims"},
		"empty sub":                 {map[string]any{"sub": ""}, "claims"},
		"control character in sub":  {map[string]any{"sub": "a\nb"}, "claims"},
		"long sub":                  {map[string]any{"sub": strings.Repeat("a", 257)}, "claims"},
		"no iss":                    {map[string]any{"iss": nil}, "issuer"},
		"another's iss":             {map[string]any{"iss": issuer + "/"}, "issuer"},
		"no aud":                    {map[string]any{"aud": nil}, "audience"},
		"another's aud":             {map[string]any{"aud": []string{"a", "b"}}, "audience"},
		"part of aud":               {map[string]any{"aud": "eventhubs"}, "audience"},
		"expired beyond the leeway": {map[string]any{"exp": at(-61 * time.Second)}, "expired"},
		"nbf beyond the leeway":     {map[string]any{"nbf": at(65 * time.Second)}, "not_yet_valid"},
		"made in the future":        {map[string]any{"iat": at(65 * time.Second)}, "not_yet_valid"},
		"exp without end":           {map[string]any{"exp": 1e15}, "claims"},
		"exp is text":               {map[string]any{"exp": "never"}, "malformed"},
		"hub is text":               {map[string]any{"hub": "all"}, "claims"},
		"unknown field in hub":      {map[string]any{"hub": map[string]any{"permissions": []any{map[string]any{"allow": []string{"read"}, "streams": []string{"**"}, "topic": []string{"eu.**"}}}}}, "claims"},
		"bad verb":                  {map[string]any{"hub": map[string]any{"permissions": []any{map[string]any{"allow": []string{"all"}, "streams": []string{"**"}}}}}, "claims"},
		"bad pattern":               {map[string]any{"hub": map[string]any{"permissions": []any{map[string]any{"allow": []string{"read"}, "streams": []string{"re:("}}}}}, "claims"},
		"negative limit":            {map[string]any{"hub": map[string]any{"limits": map[string]any{"connections": -1}}}, "claims"},
	} {
		t.Run(name, func(*testing.T) {
			r.refuses(signed(c.changes), hub.CodeUnauthenticated, c.reason)
		})
	}
	for name, changes := range map[string]map[string]any{
		"exp within the leeway": {"exp": at(-50 * time.Second)},
		"nbf within the leeway": {"nbf": at(50 * time.Second)},
		"aud among others":      {"aud": []string{"a", audience}},
		"without hub":           {"hub": nil},
		"other claims":          {"scope": "x", "email": "ann@example.com"},
	} {
		t.Run(name, func(*testing.T) { r.takes(signed(changes)) })
	}
}

// unsigned is a token with any header and signature.
func unsigned(header string, signature []byte) string {
	payload := must(json.Marshal(claims(nil)))
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestAlgorithmsCannotBeSwapped(t *testing.T) {
	t.Parallel()
	pem := publicPEM(rsaKey())
	public := open(t, auth.Options{PublicKeysFile: file(t, pem)})
	both := open(t, auth.Options{SecretFile: file(t, secret), PublicKeysFile: file(t, pem)})
	for _, r := range []*rig{public, both} {
		for _, alg := range []string{"none", "None", "NONE", "", "HS384", "HS512", "ES256K", "RSA-OAEP", "rs256"} {
			r.refuses(unsigned(fmt.Sprintf(`{"alg":%q}`, alg), nil), hub.CodeUnauthenticated, "algorithm")
			r.refuses(unsigned(fmt.Sprintf(`{"alg":%q}`, alg), []byte("signature")), hub.CodeUnauthenticated, "algorithm")
		}
		// The public key as the secret of HS256, in the forms that libraries had.
		reason := "signature"
		if r == public {
			reason = "algorithm"
		}
		for _, confused := range []string{pem, strings.TrimSpace(pem)} {
			r.refuses(sign(jwa.HS256(), []byte(confused), "", claims(nil)), hub.CodeUnauthenticated, reason)
		}
		for alg, key := range map[jwa.SignatureAlgorithm]any{
			jwa.RS256(): otherRSA(), jwa.ES256(): ecKey(), jwa.EdDSA(): edKey(), // of keys that are not known
		} {
			r.refuses(sign(alg, key, "", claims(nil)), hub.CodeUnauthenticated, "signature")
		}
		r.takes(sign(jwa.RS256(), rsaKey(), "", claims(nil)))
	}
	// The secret is for HS256 alone.
	r := open(t, auth.Options{SecretFile: file(t, secret)})
	long := open(t, auth.Options{SecretFile: file(t, secret+secret)})
	long.refuses(sign(jwa.HS512(), []byte(secret+secret), "", claims(nil)), hub.CodeUnauthenticated, "algorithm")
	r.refuses(sign(jwa.RS256(), rsaKey(), "", claims(nil)), hub.CodeUnauthenticated, "signature")
}

func TestFormsThatAreNoTokenAreRefused(t *testing.T) {
	t.Parallel()
	r := open(t, auth.Options{SecretFile: file(t, secret)})
	good := signed(nil)
	parts := strings.Split(good, ".")
	r.refuses("", hub.CodeUnauthenticated, "unknown_key")
	r.refuses("hub_0123456789abcdef0123456789abcdef0123456789a", hub.CodeUnauthenticated, "unknown_key")
	r.refuses(good+".", hub.CodeUnauthenticated, "unknown_key")
	r.refuses(parts[0]+"."+parts[1], hub.CodeUnauthenticated, "unknown_key")
	r.refuses("..", hub.CodeUnauthenticated, "malformed")
	r.refuses(strings.Repeat("a", 40_000), hub.CodeUnauthenticated, "malformed")
	r.refuses(parts[0]+"="+"."+parts[1]+"."+parts[2], hub.CodeUnauthenticated, "malformed")
	r.refuses(parts[0]+"."+parts[1]+".", hub.CodeUnauthenticated, "signature")
	r.refuses(parts[0]+"."+parts[1]+"."+parts[2][1:], hub.CodeUnauthenticated, "signature")
	other := strings.Split(signed(map[string]any{"sub": "eve"}), ".")
	r.refuses(parts[0]+"."+other[1]+"."+parts[2], hub.CodeUnauthenticated, "signature")
	r.refuses(unsigned(`["HS256"]`, nil), hub.CodeUnauthenticated, "malformed")
	r.refuses(unsigned(`{"alg":"HS256","alg":"none"}`, nil), hub.CodeUnauthenticated, "algorithm")
	// Headers that say how a token is to be read must not be passed over.
	for _, header := range []string{`{"alg":"HS256","crit":["exp"],"exp":1}`, `{"alg":"HS256","b64":false,"crit":["b64"]}`} {
		r.refuses(hmacToken(header), hub.CodeUnauthenticated, "signature")
	}
	r.takes(hmacToken(`{"alg":"HS256","typ":"at+jwt","jwk":{"kty":"oct","k":"AAAA"},"jku":"https://evil.example"}`))
}

// hmacToken is a token with any header that is signed by the secret.
func hmacToken(header string) string {
	body := strings.TrimSuffix(unsigned(header, nil), ".")
	mac := hmacOf(body)
	return body + "." + base64.RawURLEncoding.EncodeToString(mac)
}

func TestCheckedTokensAreRememberedUntilTheyExpire(t *testing.T) {
	t.Parallel()
	bubble(t, auth.Options{SecretFile: file(t, secret)}, func(t *testing.T, r *rig) {
		token := signed(map[string]any{"exp": time.Now().Add(90 * time.Second).Unix()})
		first := r.takes(token)
		time.Sleep(80 * time.Second)
		if again := r.takes(token); again != first {
			t.Error("a token is checked twice")
		}
		time.Sleep(11 * time.Second)
		if e := first.Ended(time.Now()); e == nil || e.Code != hub.CodeUnauthenticated {
			t.Errorf("who came by it has not ended: %v", e)
		}
		r.takes(token) // within the leeway
		time.Sleep(60 * time.Second)
		r.refuses(token, hub.CodeUnauthenticated, "expired")
	})
}

func TestAnotherSecretEndsWhoCameByTheOneBefore(t *testing.T) {
	t.Parallel()
	path := file(t, secret)
	bubble(t, auth.Options{SecretFile: path}, func(t *testing.T, r *rig) {
		token := signed(nil)
		p := r.takes(token)
		write(t, path, "short")
		time.Sleep(10 * time.Second)
		if r.takes(token) != p || p.Ended(time.Now()) != nil || !strings.Contains(r.log.String(), "want a secret of at least 32 bytes") {
			t.Errorf("a file that is not good did something: %s", &r.log)
		}
		write(t, path, strings.Repeat("x", 32))
		time.Sleep(5 * time.Second)
		if e := p.Ended(time.Now()); e == nil || e.Code != hub.CodeUnauthenticated {
			t.Errorf("who came by it has not ended: %v", e)
		}
		r.refuses(token, hub.CodeUnauthenticated, "signature")
		r.takes(sign(jwa.HS256(), []byte(strings.Repeat("x", 32)), "", claims(nil)))
	})
}

func TestPublicKeysAreAddedAndTakenAwayWithoutARestart(t *testing.T) {
	t.Parallel()
	path := file(t, publicPEM(rsaKey()))
	old, next := sign(jwa.RS256(), rsaKey(), "", claims(nil)), sign(jwa.RS256(), otherRSA(), "", claims(nil))
	bubble(t, auth.Options{PublicKeysFile: path}, func(t *testing.T, r *rig) {
		future := claims(map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
		old, next = sign(jwa.RS256(), rsaKey(), "", future), sign(jwa.RS256(), otherRSA(), "", future)
		p := r.takes(old)
		r.refuses(next, hub.CodeUnauthenticated, "signature")
		write(t, path, publicPEM(rsaKey(), otherRSA()))
		time.Sleep(5 * time.Second)
		q := r.takes(next)
		r.takes(old)
		if p.Ended(time.Now()) != nil {
			t.Error("who came by a key that stays has ended")
		}
		write(t, path, publicPEM(otherRSA()))
		time.Sleep(5 * time.Second)
		if p.Ended(time.Now()) == nil || q.Ended(time.Now()) != nil {
			t.Errorf("ended: %v and %v, want the first only", p.Ended(time.Now()), q.Ended(time.Now()))
		}
		r.refuses(old, hub.CodeUnauthenticated, "signature")
	})
}

func TestKeyThatIsThereTwiceEndsNobodyWhenOthersChange(t *testing.T) {
	t.Parallel()
	path := file(t, publicPEM(rsaKey(), rsaKey()))
	bubble(t, auth.Options{PublicKeysFile: path}, func(t *testing.T, r *rig) {
		p := r.takes(sign(jwa.RS256(), rsaKey(), "", claims(nil)))
		write(t, path, publicPEM(rsaKey(), rsaKey(), otherRSA()))
		time.Sleep(5 * time.Second)
		r.takes(sign(jwa.RS256(), otherRSA(), "", claims(nil)))
		if e := p.Ended(time.Now()); e != nil {
			t.Errorf("who came by a key that stays has ended: %v", e)
		}
		write(t, path, publicPEM(otherRSA()))
		time.Sleep(5 * time.Second)
		if p.Ended(time.Now()) == nil {
			t.Error("who came by a key that was taken away has not ended")
		}
	})
}

func TestFilesOfPublicKeysThatAreNotGood(t *testing.T) {
	t.Parallel()
	for want, text := range map[string]string{
		"at least one public key": "no PEM",
		"this is a private key":   string(must(pemPrivate(rsaKey()))),
		"number 2":                publicPEM(rsaKey()) + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		"at most 64 keys":         strings.Repeat(publicPEM(ecKey()), 65),
	} {
		_, err := auth.Open(auth.Options{PublicKeysFile: file(t, text)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
