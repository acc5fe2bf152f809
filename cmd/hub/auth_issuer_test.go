package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// signer signs tokens, by the standard library alone: it shares no code with what
// checks them.
type signer struct {
	alg, kid string
	public   crypto.PublicKey // nil of a shared secret
	sign     func(text []byte) []byte
}

func (s *signer) token(t *testing.T, claims map[string]any) string {
	t.Helper()
	return s.tokenWith(t, map[string]any{}, claims)
}

// tokenWith has further fields in the token's header.
func (s *signer) tokenWith(t *testing.T, header, claims map[string]any) string {
	t.Helper()
	header["typ"] = "JWT"
	if _, set := header["alg"]; !set {
		header["alg"] = s.alg
	}
	if _, set := header["kid"]; !set && s.kid != "" {
		header["kid"] = s.kid
	}
	text := encoded(t, header) + "." + encoded(t, claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(s.sign([]byte(text)))
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func bySecret(secret []byte) *signer {
	return &signer{alg: "HS256", sign: func(text []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(text)
		return mac.Sum(nil)
	}}
}

// newSigner makes a key for one of RS256, PS256, ES256, EdDSA.
func newSigner(t *testing.T, alg, kid string) *signer {
	t.Helper()
	s := &signer{alg: alg, kid: kid}
	switch alg {
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s.public = &key.PublicKey
		s.sign = func(text []byte) []byte {
			digest := sha256.Sum256(text)
			r, second, err := ecdsa.Sign(rand.Reader, key, digest[:])
			if err != nil {
				t.Error(err)
				return nil
			}
			return append(r.FillBytes(make([]byte, 32)), second.FillBytes(make([]byte, 32))...)
		}
	case "EdDSA":
		public, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s.public = public
		s.sign = func(text []byte) []byte { return ed25519.Sign(key, text) }
	default:
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		s.public = &key.PublicKey
		s.sign = func(text []byte) []byte {
			digest := sha256.Sum256(text)
			signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
			if alg == "PS256" {
				signature, err = rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			}
			if err != nil {
				t.Error(err)
			}
			return signature
		}
	}
	return s
}

// pem is the public key as a file has it.
func (s *signer) pem(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwk is the public key as an issuer publishes it.
func (s *signer) jwk() map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kid": s.kid, "alg": s.alg, "use": "sig"}
	switch key := s.public.(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, x, y
		if err != nil {
			panic(err)
		}
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", b64(key)
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes())
	}
	return jwk
}

// issuer publishes keys over HTTP, and counts how often it is asked for them.
type issuer struct {
	*httptest.Server

	mu   sync.Mutex // protects the fields below
	keys []map[string]any
	asks []time.Time
}

func startIssuer(t *testing.T, keys ...*signer) *issuer {
	t.Helper()
	i := &issuer{}
	i.publish(keys...)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		i.asks = append(i.asks, time.Now())
		text, err := json.Marshal(map[string]any{"keys": i.keys})
		i.mu.Unlock()
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(text)
	}))
	t.Cleanup(i.Close)
	return i
}

// publish replaces what is published.
func (i *issuer) publish(keys ...*signer) {
	var list []map[string]any
	for _, key := range keys {
		list = append(list, key.jwk())
	}
	i.mu.Lock()
	i.keys = list
	i.mu.Unlock()
}

// add publishes one more, as it is.
func (i *issuer) add(jwk map[string]any) {
	i.mu.Lock()
	i.keys = append(i.keys, jwk)
	i.mu.Unlock()
}

func (i *issuer) asked() []time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]time.Time{}, i.asks...)
}

const testIssuer = "https://issuer.example"

// settings are those of a hub that believes the issuer.
func (i *issuer) settings() []string {
	return []string{"HUB_JWT_JWKS_URL=" + i.URL + "/jwks.json", "HUB_JWT_ISSUER=" + testIssuer}
}

// claims are those of a good token for somebody, with the permissions of the grant.
func claims(subject string, lifetime time.Duration, grant string) map[string]any {
	return map[string]any{
		"iss": testIssuer, "aud": "eventhub", "sub": subject, "exp": time.Now().Add(lifetime).Unix(),
		"hub": map[string]any{"permissions": json.RawMessage(grant)},
	}
}

// without is the claims but for one; with, with another in its place.
func without(claims map[string]any, name string) map[string]any {
	delete(claims, name)
	return claims
}

func with(claims map[string]any, name string, value any) map[string]any {
	claims[name] = value
	return claims
}
