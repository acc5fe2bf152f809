package auth

import (
	"time"

	"golang.org/x/time/rate"

	"eventhub/internal/hub"
)

// Make makes a principal that no key or token stands for, with an account of its own that
// has the limits of the grant and no others: for tests of who is asked. It ends at
// expires (zero: never), or when end is called, for that reason. The error says what is
// wrong with the grant.
func Make(id string, grant Grant, expires time.Time) (p *Principal, end func(why *hub.Error), err error) {
	account := &Account{most: int64(grant.Limits.Connections)}
	if most := grant.Limits.Requests; most > 0 {
		account.requests = rate.NewLimiter(rate.Limit(most), max(1, int(most)))
	}
	if most := grant.Limits.Events; most > 0 {
		account.events = rate.NewLimiter(rate.Limit(most), max(1, int(most)))
	}
	p, err = newPrincipal(id, grant, expires, account)
	if err != nil {
		return nil, nil, err
	}
	return p, func(why *hub.Error) { p.ended.Store(why) }, nil
}
