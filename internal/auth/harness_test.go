package auth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/prometheus/client_golang/prometheus"

	"go.uber.org/goleak"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuer   = "https://issuer.example"
	audience = "eventhub"
	secret   = "0123456789abcdef0123456789abcdef"
)

// The keys of an issuer; to make them takes long.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey    = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex // protects the field below
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// rig is an Authenticator with what is around it.
type rig struct {
	*auth.Authenticator
	t        testing.TB
	opts     auth.Options
	log      logBuffer
	registry *prometheus.Registry
}

// open opens an Authenticator for tokens of the issuer.
func open(t testing.TB, opts auth.Options) *rig {
	t.Helper()
	r := &rig{t: t, registry: prometheus.NewRegistry()}
	opts.Issuer, opts.Audience = issuer, audience
	opts.Log, opts.Registry = slog.New(slog.NewJSONHandler(&r.log, nil)), r.registry
	r.opts = opts
	var err error
	if r.Authenticator, err = auth.Open(opts); err != nil {
		t.Fatal(err)
	}
	return r
}

// bubble runs a test in fake time, with an Authenticator that runs.
func bubble(t *testing.T, opts auth.Options, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := open(t, opts)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.Run(ctx)
		}()
		test(t, r)
		stop()
		<-ended
	})
}

// takes wants a token to be taken.
func (r *rig) takes(token string) *auth.Principal {
	r.t.Helper()
	p, err := r.Authenticate(r.t.Context(), token)
	if err != nil {
		r.t.Errorf("a good token is refused: %v", err)
	}
	return p
}

// refuses wants a token to be refused with this code, for this reason.
func (r *rig) refuses(token string, code hub.Code, reason string) {
	r.t.Helper()
	before := r.failures(reason)
	p, err := r.Authenticate(r.t.Context(), token)
	if err == nil {
		r.t.Errorf("a bad token is taken as that of %s, want %s", p.ID(), reason)
		return
	}
	e := hub.AsError(err)
	if e.Code != code || r.failures(reason) != before+1 {
		r.t.Errorf("refused with %v and not as %s, want %s", err, reason, code)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(err.Error()+r.log.String(), part) {
			r.t.Errorf("a part of the token is in %v, or in the log: %s", err, &r.log)
		}
	}
}

// failures is the metric of a reason.
func (r *rig) failures(reason string) int {
	families := must(r.registry.Gather())
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "hub_auth_failures_total" && m.GetLabel()[0].GetValue() == reason {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	r.t.Fatalf("there is no reason %q", reason)
	return 0
}

// claims are those of a good token, with changes: nil takes one away.
func claims(changes map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuer, "aud": audience, "sub": "ann", "exp": time.Now().Add(time.Hour).Unix(),
		"hub": map[string]any{"permissions": []any{map[string]any{"allow": []string{"publish"}, "streams": []string{"orders"}}}},
	}
	for name, value := range changes {
		if value == nil {
			delete(all, name)
			continue
		}
		all[name] = value
	}
	return all
}

// sign makes a token; a kid of "" is left out.
func sign(alg jwa.SignatureAlgorithm, key any, kid string, claims any) string {
	headers := jws.NewHeaders()
	if kid != "" {
		must(0, headers.Set(jws.KeyIDKey, kid))
	}
	return string(must(jws.Sign(must(json.Marshal(claims)), jws.WithKey(alg, key, jws.WithProtectedHeaders(headers)))))
}

// signed is a good token of the secret, with changes.
func signed(changes map[string]any) string {
	return sign(jwa.HS256(), []byte(secret), "", claims(changes))
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, text)
	return path
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// publicPEM is the PEM of a public key.
func publicPEM(keys ...crypto.Signer) string {
	text := ""
	for _, key := range keys {
		text += string(must(jwk.Pem(must(jwk.Import(key.Public())))))
	}
	return text
}

// set is a JWKS: kids and keys in turns.
func set(pairs ...any) string {
	all := jwk.NewSet()
	for i := 0; i < len(pairs); i += 2 {
		key := must(jwk.Import(pairs[i+1]))
		if kid, _ := pairs[i].(string); kid != "" {
			must(0, key.Set(jwk.KeyIDKey, kid))
		}
		must(0, all.AddKey(key))
	}
	return string(must(json.Marshal(all)))
}

func hmacOf(text string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func pemPrivate(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// contextOf outlasts the test until the cleanup.
func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(t.Context()))
}
