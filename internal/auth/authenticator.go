package auth

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"eventhub/internal/follow"
)

// maxTokens is how many tokens are remembered after they were checked: to check one takes
// 30 to 100 µs, to find it less than one.
const maxTokens = 10_000

// Authenticator says who asks. It is safe for concurrent use.
type Authenticator struct {
	opts     Options
	accounts *accounts
	failures *failures
	anybody  *Principal                  // of AnonymousUnlimited
	runs     []func(ctx context.Context) // what follows the sources

	keys            atomic.Pointer[keys]
	secrets, public ring
	jwks            *jwks // nil: there is none
	cache           *lru.Cache[digest, *Principal]
}

// Open reads the files; an error is a *SourceError. The issuer's keys are asked for by Run,
// which follows the files, too.
func Open(opts Options) (*Authenticator, error) {
	opts.setDefaults()
	cache, err := lru.New[digest, *Principal](maxTokens)
	if err != nil {
		return nil, err
	}
	a := &Authenticator{opts: opts, accounts: newAccounts(opts.Defaults, opts.Batch, opts.Limited), anybody: Everybody(), cache: cache}
	a.keys.Store(&keys{})
	for _, open := range []func() error{a.openKeys, a.openSecret, a.openPublic, a.openJWKS} {
		if err := open(); err != nil {
			return nil, err
		}
	}
	a.failures = newFailures(opts.Log, opts.Registry)
	return a, nil
}

func (a *Authenticator) openKeys() error {
	path := a.opts.KeysFile
	return follows(a, path, "KeysFile", func() ([]entry, follow.State, error) { return loadKeys(path) }, a.takeKeys)
}

func (a *Authenticator) openSecret() error {
	path := a.opts.SecretFile
	return follows(a, path, "SecretFile", func() ([]*checkKey, follow.State, error) { return loadSecret(path) }, a.takeRing(&a.secrets))
}

func (a *Authenticator) openPublic() error {
	path := a.opts.PublicKeysFile
	return follows(a, path, "PublicKeysFile", func() ([]*checkKey, follow.State, error) { return loadPEM(path) }, a.takeRing(&a.public))
}

func (a *Authenticator) openJWKS() error {
	if a.opts.JWKSURL == "" {
		return nil
	}
	if err := checkURL(a.opts.JWKSURL); err != nil {
		return &SourceError{Option: "JWKSURL", Want: err.Error()}
	}
	a.jwks = newJWKS(&a.opts, a.cache.Purge)
	a.runs = append(a.runs, a.jwks.run)
	return nil
}

// takeRing has a ring take other keys, and forgets who has come by those before.
func (a *Authenticator) takeRing(r *ring) func([]*checkKey) {
	return func(next []*checkKey) {
		r.take(next)
		a.cache.Purge()
	}
}

// follows opens a file, if there is one, and has Run follow it.
func follows[T any](a *Authenticator, path, option string, load func() (T, follow.State, error), take func(T)) error {
	if path == "" {
		return nil
	}
	files := &follow.Files[T]{
		Load: load, Settled: true,
		Use: func(next T) {
			take(next)
			a.opts.Log.Info("keys were read again", slog.String("file", path))
		},
		Refuse: func(err error) {
			a.opts.Log.Error("a file of keys has changed and is not good; the keys from before stay", slog.String("file", path), slog.Any("error", err))
		},
	}
	first, err := files.Open()
	if err != nil {
		return &SourceError{Option: option, Want: err.Error()}
	}
	take(first)
	a.runs = append(a.runs, files.Run)
	return nil
}

// Run follows the files and the issuer's keys until ctx ends.
func (a *Authenticator) Run(ctx context.Context) {
	var group errgroup.Group // none of them fails
	for _, run := range append(a.runs, a.sweep) {
		group.Go(func() error {
			run(ctx)
			return nil
		})
	}
	_ = group.Wait()
}

func (a *Authenticator) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			a.accounts.sweep()
		}
	}
}

// Authenticate says whose token it is, a key's or a JSON Web Token. It may wait for the
// issuer's keys, at most 15 s. Errors are *hub.Error: CodeUnauthenticated;
// CodeUnavailable while what tokens are checked by cannot be had.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (*Principal, error) {
	if a.opts.Anonymous == AnonymousUnlimited {
		return a.anybody, nil // tokens mean nothing here
	}
	if len(token) > maxToken {
		return nil, a.failures.refuse(malformed, "the token is too long")
	}
	sum := digest(sha256.Sum256([]byte(token)))
	if k := a.keys.Load().find(&sum); k != nil {
		return k.who, nil
	}
	if p, ok := a.cache.Get(sum); ok && p.fresh(time.Now()) {
		return p, nil
	}
	if !a.opts.tokens() || strings.Count(token, ".") != 2 {
		return nil, a.failures.refuse(unknownKey, "the key is not known here, or not any more")
	}
	p, err := a.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	a.cache.Add(sum, p)
	return p, nil
}

// fresh says that a token that was taken before still is.
func (p *Principal) fresh(now time.Time) bool {
	return now.Before(p.expires.Add(leeway)) && p.life.ended.Load() == nil
}

// Anonymous is who asks without a token, from an IP address; CodeUnauthenticated where a
// token is needed.
func (a *Authenticator) Anonymous(address string) (*Principal, error) {
	switch a.opts.Anonymous {
	case AnonymousUnlimited:
		return a.anybody, nil
	case AnonymousLimited:
		ip, _ := netip.ParseAddr(address) // what is none is one neighbourhood
		return a.accounts.anonymous(Neighbourhood(ip)), nil
	}
	return nil, a.failures.refuse(noToken, "this hub wants to know who asks: send Authorization: Bearer with an API key or a JSON Web Token")
}
