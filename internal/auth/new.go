package auth

import (
	"time"

	"eventhub/internal/hub"
)

// New is a principal for who knows by other means than a token who asks. It never
// expires where expires is zero, and nothing bounds it where account is nil. The error
// says what is wrong with the grant.
func New(id string, grant Grant, expires time.Time, account *Account) (*Principal, error) {
	rules, err := grant.compile()
	if err != nil {
		return nil, err
	}
	return &Principal{id: id, rules: rules, expires: expires, account: account, life: &life{}}, nil
}

// NewAccount bounds what limits say, 0 meaning no bound. The bursts are what may come in
// a second, of events at least so many.
func NewAccount(limits Limits, events int) *Account {
	return newAccount(limits, events, func(string) {})
}

// End ends a principal. The first cause counts.
func (p *Principal) End(cause *hub.Error) { p.life.ended.CompareAndSwap(nil, cause) }
