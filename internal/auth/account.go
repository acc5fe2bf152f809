package auth

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"eventhub/internal/hub"
)

// Account bounds what one principal does on this hub, by all its tokens and connections.
// A nil Account bounds nothing.
type Account struct {
	requests, events *rate.Limiter // nil: as many as come
	most             int64         // connections; 0: as many as come
	open             atomic.Int64
}

// Request counts a request. The error is an *Error of CodeRateLimited.
func (a *Account) Request() error {
	if a == nil || a.requests == nil {
		return nil
	}
	return take(a.requests, 1, "requests", "HUB_REQUESTS_PER_SECOND")
}

// Publish counts so many events. The error is an *Error of CodeRateLimited, and counts
// none of them.
func (a *Account) Publish(events int) error {
	if a == nil || a.events == nil {
		return nil
	}
	return take(a.events, events, "events", "HUB_EVENTS_PER_SECOND")
}

// Connect counts a WebSocket or an event stream until leave is called. The error is an
// *Error of CodeRateLimited.
func (a *Account) Connect() (leave func(), err error) {
	if a == nil {
		return func() {}, nil
	}
	if open := a.open.Add(1); a.most > 0 && open > a.most {
		a.open.Add(-1)
		return nil, &hub.Error{
			Code: hub.CodeRateLimited, RetryAfter: time.Second,
			Detail: "there are too many connections of this principal on this hub already (HUB_MAX_CONNECTIONS_PER_PRINCIPAL, or connections among its limits)",
		}
	}
	return func() { a.open.Add(-1) }, nil
}

// take takes n from a bucket, whose burst is at least the largest n.
func take(bucket *rate.Limiter, n int, what, setting string) error {
	now := time.Now()
	reserved := bucket.ReserveN(now, n)
	wait := reserved.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reserved.CancelAt(now)
	e := hub.Errorf(hub.CodeRateLimited, "more than %g %s in a second came from this principal (%s, or its own limit)", float64(bucket.Limit()), what, setting)
	e.RetryAfter = min(wait, time.Minute)
	return e
}
