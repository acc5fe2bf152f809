package auth

import (
	"math"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"eventhub/internal/hub"
)

// The limits that are counted here, as Options.Limited has them.
const (
	limitRequests  = "requests"
	limitEvents    = "events"
	limitTickets   = "tickets"
	limitPrincipal = "principal"
)

// ticketsAtOnce is how many tickets may be made in a row: a page that opens many feeds
// at once needs as many.
const ticketsAtOnce = 100

// Account bounds what one principal does on this hub, by all its tokens and connections.
// A nil Account bounds nothing.
type Account struct {
	requests, events, tickets *rate.Limiter // of rate.Inf: as many as come
	most                      atomic.Int64  // connections; 0: as many as come
	open                      atomic.Int64
	limited                   func(limit string)
	gone                      atomic.Bool // the registry has forgotten it

	// Owned by the registry, under its lock.
	limits    Limits
	anonymous *Principal // who asks from an address without a token
}

func newAccount(limits Limits, batch int, limited func(string)) *Account {
	a := &Account{limited: limited, limits: limits}
	a.requests = rate.NewLimiter(bucketOf(limits.Requests, 1))
	a.events = rate.NewLimiter(bucketOf(limits.Events, batch))
	a.tickets = rate.NewLimiter(bucketOf(limits.Tickets, ticketsAtOnce))
	a.most.Store(int64(limits.Connections))
	return a
}

// set changes the limits; what was counted stays.
func (a *Account) set(limits Limits, batch int) {
	a.limits = limits
	change := func(bucket *rate.Limiter, limit rate.Limit, burst int) {
		bucket.SetBurst(burst)
		bucket.SetLimit(limit)
	}
	limit, burst := bucketOf(limits.Requests, 1)
	change(a.requests, limit, burst)
	limit, burst = bucketOf(limits.Events, batch)
	change(a.events, limit, burst)
	limit, burst = bucketOf(limits.Tickets, ticketsAtOnce)
	change(a.tickets, limit, burst)
	a.most.Store(int64(limits.Connections))
}

// bucketOf has room for a second's worth, and for as many as may come at once.
func bucketOf(perSecond float64, atOnce int) (rate.Limit, int) {
	if perSecond == 0 {
		return rate.Inf, atOnce
	}
	return rate.Limit(perSecond), int(max(math.Ceil(min(perSecond, 1e9)), float64(atOnce)))
}

// Request counts a request. The error is an *Error of CodeRateLimited.
func (a *Account) Request() error {
	if a == nil {
		return nil
	}
	return a.take(a.requests, 1, limitRequests, "HUB_REQUESTS_PER_SECOND")
}

// Publish counts so many events. The error is an *Error of CodeRateLimited, and counts
// none of them.
func (a *Account) Publish(events int) error {
	if a == nil {
		return nil
	}
	return a.take(a.events, events, limitEvents, "HUB_EVENTS_PER_SECOND")
}

// Ticket counts a ticket. The error is an *Error of CodeRateLimited.
func (a *Account) Ticket() error {
	if a == nil {
		return nil
	}
	return a.take(a.tickets, 1, limitTickets, "HUB_TICKETS_PER_SECOND")
}

// Connect counts a WebSocket or an event stream until leave is called. The error is an
// *Error of CodeRateLimited.
func (a *Account) Connect() (leave func(), err error) {
	if a == nil {
		return func() {}, nil
	}
	if open, most := a.open.Add(1), a.most.Load(); most > 0 && open > most {
		a.open.Add(-1)
		a.limited(limitPrincipal)
		return nil, &hub.Error{
			Code: hub.CodeRateLimited, RetryAfter: time.Second,
			Detail: "there are too many connections of this principal on this hub already (HUB_MAX_CONNECTIONS_PER_PRINCIPAL, or connections among its limits)",
		}
	}
	var left atomic.Bool
	return func() {
		if left.CompareAndSwap(false, true) {
			a.open.Add(-1)
		}
	}, nil
}

// take takes n from a bucket. Nothing is reserved, as what many callers have cancelled
// is not given back in full.
func (a *Account) take(bucket *rate.Limiter, n int, limit, setting string) error {
	now := time.Now()
	if bucket.AllowN(now, n) {
		return nil
	}
	a.limited(limit)
	perSecond := float64(bucket.Limit())
	wait := (float64(n) - bucket.TokensAt(now)) / perSecond
	e := hub.Errorf(hub.CodeRateLimited, "more than %g %s in a second came from this principal (%s, or its own limit)", perSecond, limit, setting)
	e.RetryAfter = time.Duration(max(1, min(wait*1e3, 60e3))) * time.Millisecond
	return e
}

// idle says that nothing is lost by forgetting the account.
func (a *Account) idle(now time.Time) bool {
	full := func(bucket *rate.Limiter) bool {
		return bucket.Limit() == rate.Inf || bucket.TokensAt(now) >= float64(bucket.Burst())
	}
	return a.open.Load() == 0 && full(a.requests) && full(a.events) && full(a.tickets)
}
