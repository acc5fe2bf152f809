package auth_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// counted counts what a limit has refused.
type counted struct {
	mu    sync.Mutex // protects the field below
	times map[string]int
}

func (c *counted) add(limit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil {
		c.times = map[string]int{}
	}
	c.times[limit]++
}

func limited(t *testing.T, err error, words string) {
	t.Helper()
	if e := hub.AsError(err); err == nil || e.Code != hub.CodeRateLimited || e.RetryAfter <= 0 || !strings.Contains(e.Detail, words) {
		t.Errorf("got %v, want rate_limited with %s", err, words)
	}
}

func TestLimitsBoundWhatOnePrincipalDoesByAllItsTokens(t *testing.T) {
	t.Parallel()
	var count counted
	opts := auth.Options{SecretFile: file(t, secret), Defaults: auth.Limits{Requests: 10, Events: 20, Connections: 2}, Batch: 100, Limited: count.add}
	bubble(t, opts, func(t *testing.T, r *rig) {
		one, two := r.takes(signed(nil)).Account(), r.takes(signed(map[string]any{"jti": "two"})).Account()
		other := r.takes(signed(map[string]any{"sub": "bob"})).Account()
		for i := range 10 {
			if err := []*auth.Account{one, two}[i%2].Request(); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		}
		for range 100 { // what is refused costs nothing
			limited(t, one.Request(), "HUB_REQUESTS_PER_SECOND")
		}
		if err := other.Request(); err != nil {
			t.Errorf("another pays for it: %v", err)
		}
		time.Sleep(100 * time.Millisecond)
		if err := two.Request(); err != nil {
			t.Errorf("a tenth of a second later: %v", err)
		}
		limited(t, two.Request(), "more than 10 requests in a second")

		if err := one.Publish(100); err != nil { // the largest batch is always possible
			t.Error(err)
		}
		err := two.Publish(100)
		limited(t, err, "HUB_EVENTS_PER_SECOND")
		if e := hub.AsError(err); e.RetryAfter != 5*time.Second {
			t.Errorf("try again after %s, want 5s", e.RetryAfter)
		}
		time.Sleep(5 * time.Second)
		if err := two.Publish(100); err != nil {
			t.Error(err)
		}

		leave, err := one.Connect()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := two.Connect(); err != nil {
			t.Error(err)
		}
		_, err = two.Connect()
		limited(t, err, "HUB_MAX_CONNECTIONS_PER_PRINCIPAL")
		leave()
		leave() // again is nothing
		if _, err := one.Connect(); err != nil {
			t.Error(err)
		}
		_, err = one.Connect()
		limited(t, err, "HUB_MAX_CONNECTIONS_PER_PRINCIPAL")
		if count.times["requests"] != 101 || count.times["events"] != 1 || count.times["principal"] != 2 {
			t.Errorf("counted %v", count.times)
		}
	})
}

func TestLimitsOfItsOwnAreInPlaceOfTheDefaults(t *testing.T) {
	t.Parallel()
	grant := func(limits map[string]any) string {
		return signed(map[string]any{"hub": map[string]any{"limits": limits}})
	}
	synctest.Test(t, func(t *testing.T) {
		r := open(t, auth.Options{SecretFile: file(t, secret), Defaults: auth.Limits{Requests: 1}})
		a := r.takes(grant(map[string]any{"requests_per_second": 3})).Account()
		for range 3 {
			if err := a.Request(); err != nil {
				t.Error(err)
			}
		}
		limited(t, a.Request(), "more than 3 requests")
		if err := a.Publish(1_000_000); err != nil {
			t.Errorf("events have no bound: %v", err)
		}
		slow := r.takes(grant(map[string]any{"requests_per_second": 0.5})).Account()
		limited(t, slow.Request(), "more than 0.5 requests")
		time.Sleep(2 * time.Second)
		if err := slow.Request(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoIsAnonymousHasTheLimitsOfItsAddress(t *testing.T) {
	t.Parallel()
	r := open(t, auth.Options{Anonymous: auth.AnonymousLimited, Defaults: auth.Limits{Connections: 1}})
	of := func(address string) *auth.Account {
		p, err := r.Anonymous(address)
		if err != nil || p.ID() != "anonymous" || p.May(auth.Manage, auth.Stream, "orders") != nil || p.MayAdminister() != nil {
			t.Fatalf("%s, %v", p.ID(), err)
		}
		return p.Account()
	}
	for _, same := range [][2]string{
		{"192.0.2.1", "192.0.2.1"}, {"192.0.2.2", "::ffff:192.0.2.2"}, {"2001:db8::1", "2001:db8::ffff:1"}, {"fe80::1%eth0", "fe80::1"}, {"nonsense", ""},
	} {
		if of(same[0]) != of(same[1]) {
			t.Errorf("%s and %s have accounts of their own", same[0], same[1])
		}
	}
	for _, apart := range [][2]string{{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8:0:1::1"}, {"192.0.2.1", ""}} {
		if of(apart[0]) == of(apart[1]) {
			t.Errorf("%s and %s have one account", apart[0], apart[1])
		}
	}
	p, _ := r.Anonymous("192.0.2.1")
	q, err := r.Open(must(r.Seal(p)))
	if err != nil || q.Account() != p.Account() {
		t.Errorf("a ticket has another account: %v", err)
	}
	if _, err := r.Authenticate(t.Context(), "hub_key"); hub.AsError(err).Code != hub.CodeUnauthenticated {
		t.Errorf("a token that nothing is known of: %v", err)
	}
}

func TestOnLoopbackNothingIsAskedAndNothingBounded(t *testing.T) {
	t.Parallel()
	r := open(t, auth.Options{Anonymous: auth.AnonymousUnlimited, Defaults: auth.Limits{Requests: 1, Events: 1, Connections: 1}})
	p, err := r.Anonymous("127.0.0.1")
	if err != nil || p.MayAdminister() != nil || p.Account() != nil || p.Ended(time.Now()) != nil {
		t.Errorf("%s, %v, account %v", p.ID(), err, p.Account())
	}
	if q, err := r.Authenticate(t.Context(), "whatever"); err != nil || q != p {
		t.Errorf("with a token: %s, %v", q.ID(), err)
	}
	if q, err := r.Open(must(r.Seal(p))); err != nil || q != p {
		t.Errorf("with a ticket: %s, %v", q.ID(), err)
	}
}

func TestAccountsAreBoundedAndNoneIsForgottenThatCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		accounts := auth.NewAccounts(auth.Limits{Requests: 1, Connections: 1}, 10)
		busy, connected := accounts.Of("busy"), accounts.Of("connected")
		if err := busy.Request(); err != nil {
			t.Fatal(err)
		}
		if _, err := connected.Connect(); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			accounts.Of(fmt.Sprintf("idle-%d", i))
			time.Sleep(time.Millisecond)
		}
		if n := accounts.Len(); n > 10 {
			t.Errorf("%d accounts, want 10 at most", n)
		}
		if accounts.Of("busy") != busy || accounts.Of("connected") != connected {
			t.Error("an account that counts was forgotten")
		}
		if accounts.Of("one-too-many") != accounts.Of("another") {
			t.Error("those for whom there is no room have accounts of their own")
		}
		time.Sleep(2 * time.Second)
		accounts.Sweep()
		if n := accounts.Len(); n != 1 || accounts.Of("connected") != connected {
			t.Errorf("%d accounts are left, want that with a connection", n)
		}
		p := accounts.Principal("later")
		before := p.Account()
		accounts.Sweep()
		if after := p.Account(); after == before || after != accounts.Of("later") {
			t.Error("a principal has an account of which the others do not know")
		}
	})
}
