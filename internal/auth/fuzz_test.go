package auth_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// FuzzToken shows tokens to a hub that knows a key, a secret and public keys: none is
// taken but those it was started with, and no other error is made of what is wrong.
func FuzzToken(f *testing.F) {
	key, _ := auth.NewKey()
	r := open(f, auth.Options{
		KeysFile: file(f, keysOf(entryOf("shop", key, "orders"))), SecretFile: file(f, secret), PublicKeysFile: file(f, publicPEM(rsaKey(), ecKey(), edKey())),
	})
	good := []string{
		key, signed(nil), sign(jwa.RS256(), rsaKey(), "a", claims(nil)), sign(jwa.ES256(), ecKey(), "", claims(nil)), sign(jwa.EdDSA(), edKey(), "", claims(nil)),
	}
	for _, token := range append(good, "", "..", unsigned(`{"alg":"none"}`, nil), hmacToken(`{"alg":"HS256","crit":["b64"],"b64":false}`)) {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		p, err := r.Authenticate(t.Context(), token)
		if err != nil {
			if e := hub.AsError(err); e.Code != hub.CodeUnauthenticated || p != nil {
				t.Errorf("refused with %v", err)
			}
			return
		}
		said := func(token string) string { // what is signed
			return token[:max(strings.LastIndexByte(token, '.'), 0)]
		}
		for _, one := range good {
			if token == one || said(token) != "" && said(token) == said(one) {
				return
			}
		}
		t.Errorf("taken as that of %s", p.ID())
	})
}

// FuzzClaims signs what comes: whatever a token says, it is a principal that may do no
// more than can be written down and read again, or an error.
func FuzzClaims(f *testing.F) {
	r := open(f, auth.Options{SecretFile: file(f, secret)})
	f.Add(`{"permissions":[{"allow":["publish"],"streams":["orders"],"topics":["eu.**"]}],"limits":{"connections":1}}`, "ann", 4e9)
	f.Add(`null`, "", 1e300)
	f.Fuzz(func(t *testing.T, grant, subject string, exp float64) {
		all := map[string]any{"iss": issuer, "aud": audience, "sub": subject, "exp": exp, "hub": json.RawMessage(grant)}
		if text, err := json.Marshal(all); err != nil || len(text) > 20_000 {
			return
		}
		p, err := r.Authenticate(t.Context(), sign(jwa.HS256(), []byte(secret), "", all))
		if err != nil {
			if hub.AsError(err).Code != hub.CodeUnauthenticated {
				t.Errorf("refused with %v", err)
			}
			return
		}
		q, err := r.Open(must(r.Seal(p)))
		if err != nil {
			return // it has expired, within the leeway
		}
		for _, name := range []string{"orders", "a", subject} {
			if (p.May(auth.Publish, auth.Stream, name) == nil) != (q.May(auth.Publish, auth.Stream, name) == nil) || p.ID() != q.ID() {
				t.Errorf("a ticket of %s may do something else", p.ID())
			}
		}
	})
}

func FuzzKeysFile(f *testing.F) {
	key, _ := auth.NewKey()
	for _, text := range []string{
		keysOf(entryOf("shop", key, "orders")), "keys: []", `{"keys":[{"id":"a","hash":"00","permissions":[],"limits":{}}]}`, "keys:\n- &a {id: *a}\n", "---\n", "keys: [!!binary x]",
		"? [a]\n: b\n", "keys: |\n  a\n", "keys: {<<: 1}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = auth.DecodeKeys(text)
	})
}

func FuzzKeySet(f *testing.F) {
	f.Add([]byte(set("one", rsaKey().Public(), "two", ecKey().Public(), "", edKey().Public())))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"RSA","n":"AQ","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if n, err := auth.DecodeSet(text); (n == 0) == (err == nil) {
			t.Errorf("%d keys, %v", n, err)
		}
	})
}
