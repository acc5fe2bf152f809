package auth_test

import (
	"testing"

	"github.com/lestrrat-go/jwx/v3/jwa"

	"eventhub/internal/auth"
)

// BenchmarkAuthenticateKey is what each request with an API key costs, with its account
// and a look at its permissions.
func BenchmarkAuthenticateKey(b *testing.B) {
	key, _ := auth.NewKey()
	ask(b, auth.Options{KeysFile: file(b, keysOf(entryOf("shop", key, "orders")))}, key)
}

func BenchmarkAuthenticateCachedToken(b *testing.B) {
	ask(b, auth.Options{SecretFile: file(b, secret)}, signed(nil))
}

func ask(b *testing.B, opts auth.Options, token string) {
	opts.Defaults = auth.Limits{Requests: 1e9, Events: 1e9, Connections: 1000}
	r := open(b, opts)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		p, err := r.Authenticate(ctx, token)
		if err != nil || p.Account().Request() != nil || p.Account().Publish(1) != nil || p.May(auth.Publish, auth.Stream, "orders") != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAnonymousOfAnAddress(b *testing.B) {
	r := open(b, auth.Options{Anonymous: auth.AnonymousLimited, Defaults: auth.Limits{Requests: 1e9}})
	b.ReportAllocs()
	for b.Loop() {
		p, err := r.Anonymous("192.0.2.1")
		if err != nil || p.Account().Request() != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheckToken is what a token costs that was not seen before.
func BenchmarkCheckToken(b *testing.B) {
	r := open(b, auth.Options{SecretFile: file(b, secret), PublicKeysFile: file(b, publicPEM(rsaKey(), ecKey(), edKey()))})
	for name, token := range map[string]string{
		"HS256": signed(nil), "RS256": sign(jwa.RS256(), rsaKey(), "", claims(nil)), "ES256": sign(jwa.ES256(), ecKey(), "", claims(nil)),
		"EdDSA": sign(jwa.EdDSA(), edKey(), "", claims(nil)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Forget()
				if _, err := r.Authenticate(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
