package auth

import (
	"time"

	"golang.org/x/time/rate"

	"eventhub/internal/hub"
)

// New is a principal for who knows by other means than a token who asks. It never
// expires where expires is zero, and nothing bounds it where account is nil. The error
// says what is wrong with the grant.
func New(id string, grant Grant, expires time.Time, account *Account) (*Principal, error) {
	return newPrincipal(id, grant, expires, account)
}

// NewAccount bounds what limits say, 0 meaning no bound. The bursts are what may come in
// a second, of events at least so many.
func NewAccount(limits Limits, events int) *Account {
	a := &Account{most: int64(limits.Connections)}
	if limits.Requests > 0 {
		a.requests = rate.NewLimiter(rate.Limit(limits.Requests), max(int(limits.Requests), 1))
	}
	if limits.Events > 0 {
		a.events = rate.NewLimiter(rate.Limit(limits.Events), max(int(limits.Events), events))
	}
	return a
}

// End ends a principal. The first cause counts.
func (p *Principal) End(cause *hub.Error) { p.ended.CompareAndSwap(nil, cause) }
