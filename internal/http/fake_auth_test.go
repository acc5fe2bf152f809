package http_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// fakeAuth knows principals by their tokens, and asks for one unless it is told not to.
// What it seals is the token.
type fakeAuth struct {
	mu        sync.Mutex // protects the fields below
	known     map[string]*auth.Principal
	asked     []string                     // tokens
	addresses []string                     // of who has shown none
	open      func(string) *auth.Principal // for an address; nil: a token is needed
	down      bool
}

func (f *fakeAuth) Authenticate(_ context.Context, token string) (*auth.Principal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, token)
	if f.down {
		return nil, &hub.Error{Code: hub.CodeUnavailable, Detail: "the keys cannot be had", RetryAfter: time.Second}
	}
	if p := f.known[token]; p != nil {
		return p, nil
	}
	return nil, hub.Errorf(hub.CodeUnauthenticated, "the token is not known")
}

func (f *fakeAuth) Anonymous(address string) (*auth.Principal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addresses = append(f.addresses, address)
	if _, err := netip.ParseAddr(address); err != nil {
		panic(err)
	}
	if f.open != nil {
		return f.open(address), nil
	}
	return nil, hub.Errorf(hub.CodeUnauthenticated, "show a token")
}

func (f *fakeAuth) Seal(p *auth.Principal) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for token, known := range f.known {
		if known == p {
			return []byte(token), nil
		}
	}
	return []byte(p.ID()), nil
}

func (f *fakeAuth) Open(sealed []byte) (*auth.Principal, error) {
	return f.Authenticate(context.Background(), string(sealed))
}

// may is a principal of these permissions, as in a file of keys.
func may(t *testing.T, permissions ...string) *auth.Principal {
	t.Helper()
	return granted(t, noEnd, auth.Limits{}, permissions...)
}

func granted(t *testing.T, expires time.Time, limits auth.Limits, permissions ...string) *auth.Principal {
	t.Helper()
	var grant auth.Grant
	if err := json.Unmarshal([]byte(`{"permissions":[`+strings.Join(permissions, ",")+`]}`), &grant); err != nil {
		t.Fatal(err)
	}
	p, err := auth.New("key:test", grant, expires, auth.NewAccount(limits, 1))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// noEnd is of a token that does not expire.
var noEnd time.Time

const everything = `{"allow":["publish","read","consume","subscribe","manage"],"streams":["**"],"sinks":["**"],"channels":["**"]}`

// knowing asks for tokens, and knows this one as the principal.
func knowing(token string, p *auth.Principal) *fakeAuth {
	return &fakeAuth{known: map[string]*auth.Principal{token: p}}
}

// opened lets everybody in as the principal.
func opened(p *auth.Principal) *fakeAuth {
	return &fakeAuth{open: func(string) *auth.Principal { return p }}
}
