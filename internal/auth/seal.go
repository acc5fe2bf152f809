package auth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"
)

// sealed is who somebody is, as Redis keeps it for a ticket. It holds no secret: of an
// API key there is the hash that its file has, of a token's key a part of one. Redis is
// believed, as it is with events.
type sealed struct {
	ID      string          `json:"id"`
	By      string          `json:"by,omitempty"`      // the print of the key; "": without one
	Address string          `json:"address,omitempty"` // of who is anonymous, a prefix
	Expires int64           `json:"expires,omitempty"` // Unix seconds, of a token
	Grant   json.RawMessage `json:"grant,omitempty"`   // of a token
}

// Seal writes down who a principal is, for a ticket that any hub may read.
func (a *Authenticator) Seal(p *Principal) ([]byte, error) {
	if p == nil {
		return nil, a.failures.refuse(noToken, "nobody is known here")
	}
	s := sealed{ID: p.id, Grant: p.claim}
	if p.life != nil {
		s.By = p.life.print
	}
	if p.owner.address.IsValid() {
		s.Address = p.owner.address.Addr().String()
	}
	if !p.expires.IsZero() {
		s.Expires = p.expires.Unix()
	}
	return json.Marshal(s)
}

// Open reads what was sealed. It may wait for the issuer's keys, at most 15 s, where
// another hub knows more of them. Errors are *hub.Error: CodeUnauthenticated where that
// principal may do nothing any more; CodeUnavailable.
func (a *Authenticator) Open(text []byte) (*Principal, error) {
	var s sealed
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, a.failures.refuse(malformed, "the ticket is not one that this hub can read")
	}
	switch {
	case s.By == "":
		return a.Anonymous(s.Address)
	case s.Expires == 0:
		return a.openKey(&s)
	}
	return a.openToken(&s)
}

func (a *Authenticator) openKey(s *sealed) (*Principal, error) {
	sum, err := hex.DecodeString(s.By)
	if err == nil && len(sum) == len(digest{}) {
		if k := a.keys.Load().find((*digest)(sum)); k != nil && k.who.id == s.ID {
			return k.who, nil
		}
	}
	return nil, a.failures.refuse(ended, "the key that the ticket was made with was taken away")
}

func (a *Authenticator) openToken(s *sealed) (*Principal, error) {
	expires := time.Unix(s.Expires, 0)
	if !time.Now().Before(expires) {
		return nil, a.failures.refuse(ended, "the token that the ticket was made with has expired")
	}
	by, err := a.lifeOf(s.By)
	if err != nil {
		return nil, err
	}
	var grant Grant
	var rules []rule
	if len(s.Grant) > 0 {
		if grant, rules, err = parseGrant(s.Grant); err != nil {
			return nil, a.failures.refuse(malformed, "the ticket is not one that this hub can read")
		}
	}
	p := a.accounts.newPrincipal(s.ID, rules, grant.Limits, by)
	p.expires, p.claim = expires, s.Grant
	return p, nil
}

// lifeOf finds the key that a token was checked by, which another hub may have seen
// earlier.
func (a *Authenticator) lifeOf(mark string) (*life, error) {
	rings := []*ring{&a.secrets, &a.public}
	if a.jwks != nil {
		rings = append(rings, a.jwks.ring)
	}
	for _, r := range rings {
		if by := r.life(mark); by != nil {
			return by, nil
		}
	}
	if a.jwks != nil {
		var by *life
		ok, err := a.jwks.await(context.Background(), func() bool { // which has a limit of its own
			by = a.jwks.ring.life(mark)
			return by != nil
		})
		if err != nil || ok {
			return by, err
		}
	}
	return nil, a.failures.refuse(ended, "the key that the ticket's token was checked by was taken away")
}
