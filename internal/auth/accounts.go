package auth

import (
	"net/netip"
	"sync"
	"time"
)

// maxAccounts bounds what is remembered of principals; each takes some 400 bytes.
const maxAccounts = 100_000

// sweepEvery is how often accounts that bound nothing at the moment are forgotten.
const sweepEvery = time.Minute

// accounts are those of all principals of this hub. An account that has connections, or
// of which something was taken a moment ago, is never forgotten: else to come again
// would be a way around its limits. Where there is no room for another, further
// principals share one.
type accounts struct {
	defaults Limits
	batch    int // the largest, of events
	most     int
	limited  func(limit string)

	mu    sync.Mutex // protects the fields below
	all   map[owner]*Account
	spare *Account  // of those for whom there was no room
	swept time.Time // when there was no room
}

// owner is whose an account is.
type owner struct {
	id      string
	address netip.Prefix // of who is anonymous
}

func newAccounts(defaults Limits, batch int, limited func(limit string)) *accounts {
	return &accounts{defaults: defaults, batch: batch, most: maxAccounts, limited: limited, all: map[owner]*Account{}}
}

// of is the account of a principal; nil: nothing bounds it. Its limits are those that
// were said last, as one principal may have several tokens.
func (a *accounts) of(whose owner, own Limits) *Account {
	limits := own.or(a.defaults)
	if limits == (Limits{}) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.find(whose, limits)
}

// anonymous is who asks from an address without a token.
func (a *accounts) anonymous(address netip.Prefix) *Principal {
	whose := owner{id: anonymousID, address: address}
	if a.defaults == (Limits{}) {
		return &Principal{id: anonymousID, all: true, owner: whose}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.find(whose, a.defaults)
	if account.anonymous == nil || account.anonymous.owner != whose {
		account.anonymous = &Principal{id: anonymousID, all: true, owner: whose, accounts: a, account: account}
	}
	return account.anonymous
}

func (a *accounts) find(whose owner, limits Limits) *Account {
	if found := a.all[whose]; found != nil {
		if found.limits != limits {
			found.set(limits, a.batch)
		}
		return found
	}
	if len(a.all) >= a.most {
		// To look at all of them for each who comes would be what wears the hub out.
		if now := time.Now(); now.Sub(a.swept) > time.Second {
			a.swept = now
			a.forget(now)
		}
		if len(a.all) >= a.most {
			if a.spare == nil {
				a.spare = newAccount(a.defaults, a.batch, a.limited)
			}
			return a.spare
		}
	}
	made := newAccount(limits, a.batch, a.limited)
	a.all[whose] = made
	return made
}

// sweep forgets the accounts that bound nothing at the moment.
func (a *accounts) sweep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(time.Now())
}

func (a *accounts) forget(now time.Time) {
	for whose, account := range a.all {
		if account.idle(now) {
			account.gone.Store(true)
			delete(a.all, whose)
		}
	}
}

// or has the defaults where a limit is not said.
func (l Limits) or(defaults Limits) Limits {
	if l.Requests == 0 {
		l.Requests = defaults.Requests
	}
	if l.Events == 0 {
		l.Events = defaults.Events
	}
	if l.Tickets == 0 {
		l.Tickets = defaults.Tickets
	}
	if l.Connections == 0 {
		l.Connections = defaults.Connections
	}
	return l
}

// Neighbourhood is what counts as one address: one of IPv4, and the 2⁶⁴ of IPv6 that one
// customer commonly has. What is no address has the zero one.
func Neighbourhood(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits) // the zero one where that is no address
	return prefix
}
