package auth

// Accounts are the accounts of principals, for tests.
type Accounts struct{ a *accounts }

// NewAccounts has room for so many.
func NewAccounts(defaults Limits, most int) Accounts {
	a := newAccounts(defaults, 1, func(string) {})
	a.most = most
	return Accounts{a}
}

// Of is the account of a principal.
func (a Accounts) Of(id string) *Account { return a.a.of(owner{id: id}, Limits{}) }

// Principal is one with an account.
func (a Accounts) Principal(id string) *Principal { return a.a.newPrincipal(id, nil, Limits{}, nil) }

// Len is how many there are.
func (a Accounts) Len() int { return len(a.a.all) }

// Sweep forgets those that count nothing.
func (a Accounts) Sweep() { a.a.sweep() }

// DecodeKeys says how many keys a file has.
func DecodeKeys(text []byte) (int, error) {
	entries, err := decodeKeys(text)
	return len(entries), err
}

// DecodeSet says how many keys an issuer's answer has.
func DecodeSet(text []byte) (int, error) {
	all, err := decodeSet(text)
	return len(all), err
}

// Forget has all tokens checked again.
func (a *Authenticator) Forget() { a.cache.Purge() }
