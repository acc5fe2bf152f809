package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"eventhub/internal/hub"
)

// maxRing bounds the keys that tokens are checked by, of one source: a token that names
// none is tried with each.
const maxRing = 64

// checkKey is what signatures of tokens are checked by.
type checkKey struct {
	name string   // its kid; "": it has none
	algs []string // what it is for: nothing else is checked by it, whatever a token says
	key  any
	life *life
}

// ring is the keys of one source: a file, or a URL. It is safe for concurrent use, but
// for take, which one goroutine calls.
type ring struct {
	keys atomic.Pointer[[]*checkKey]
}

func (r *ring) load() []*checkKey {
	if keys := r.keys.Load(); keys != nil {
		return *keys
	}
	return nil
}

// take has these be the keys. Whoever came by one that is not among them has ended.
func (r *ring) take(next []*checkKey) {
	before := r.load()
	stay := map[string]*life{}
	for _, k := range before {
		stay[k.life.print] = k.life
	}
	for _, k := range next {
		if life := stay[k.life.print]; life != nil {
			k.life = life
		}
		stay[k.life.print] = k.life // a key may be there twice, by two names
	}
	r.keys.Store(&next)
	for _, k := range before {
		if !slices.ContainsFunc(next, func(n *checkKey) bool { return n.life == k.life }) {
			k.life.end(hub.CodeUnauthenticated, "the key that signed the token was taken away")
		}
	}
}

// verify finds the key that has signed a token, nil where none has. known says that
// there is one of the name that the token says, so that no other needs to be looked for.
func (r *ring) verify(t *jsonToken) (by *checkKey, known bool) {
	for _, k := range r.load() {
		named := t.keyID != "" && k.name == t.keyID
		known = known || named
		if !named && t.keyID != "" && k.name != "" || !slices.Contains(k.algs, t.alg) {
			continue
		}
		alg, ok := jwa.LookupSignatureAlgorithm(t.alg)
		if !ok {
			continue
		}
		// It refuses what the header has besides (crit, b64), and another alg than ours.
		if _, err := jws.VerifyCompactFast(k.key, []byte(t.text), alg); err == nil {
			return k, true
		}
	}
	return nil, known
}

// life finds the life of a key by its print; nil: it has none.
func (r *ring) life(mark string) *life {
	for _, k := range r.load() {
		if k.life.print == mark {
			return k.life
		}
	}
	return nil
}

// symmetric is the only algorithm of a secret, and nothing else is checked by one.
const symmetric = "HS256"

// asymmetric are the algorithms of public keys.
var asymmetric = [...]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// newCheckKey is for a public key. The error says why it cannot be one.
func newCheckKey(name string, public any) (*checkKey, error) {
	k := &checkKey{name: name, key: public}
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > 16384 {
			return nil, fmt.Errorf("want an RSA key of 2048 to 16384 bits, this has %d", bits)
		}
		k.algs = asymmetric[:6]
	case *ecdsa.PublicKey:
		switch key.Curve.Params().Name {
		case "P-256":
			k.algs = asymmetric[6:7]
		case "P-384":
			k.algs = asymmetric[7:8]
		case "P-521":
			k.algs = asymmetric[8:9]
		}
	case ed25519.PublicKey:
		k.algs = asymmetric[9:]
	}
	if k.algs == nil {
		return nil, errors.New("want a public key of RSA, ECDSA (P-256, P-384, P-521) or Ed25519")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, errors.New("want a public key that is one")
	}
	sum := sha256.Sum256(der)
	k.life = &life{print: hex.EncodeToString(sum[:16])}
	return k, nil
}
