package auth

import "context"

// verify checks a JSON Web Token: first what costs least, then its signature, and only
// then what it grants.
func (a *Authenticator) verify(ctx context.Context, token string) (*Principal, error) {
	t, refused := parseToken(token)
	if refused == nil {
		refused = t.check(a.opts.Issuer, a.opts.Audience)
	}
	if refused != nil {
		return nil, a.failures.refuse(refused.why, refused.detail)
	}
	by, err := a.signer(ctx, t)
	if err != nil {
		return nil, err
	}
	grant, rules, claim, refused := t.grant()
	if refused != nil {
		return nil, a.failures.refuse(refused.why, refused.detail)
	}
	subject, _ := t.claims.Subject()
	p := a.accounts.newPrincipal("jwt:"+subject, rules, grant.Limits, by.life)
	p.expires, p.claim = t.expires(), claim
	return p, nil
}

// signer finds the key that has signed a token. It is one of those that are for its
// algorithm: a secret for HS256, public keys for the others.
func (a *Authenticator) signer(ctx context.Context, t *jsonToken) (*checkKey, error) {
	if t.alg == symmetric {
		if by, _ := a.secrets.verify(t); by != nil {
			return by, nil
		}
		if a.opts.SecretFile == "" {
			return nil, a.failures.refuse(wrongAlg, "this hub has no secret to check tokens of HS256 by")
		}
		return nil, a.failures.refuse(wrongSig, "the signature of the token is not good")
	}
	by, _ := a.public.verify(t)
	if by != nil || a.jwks == nil {
		return a.signed(by)
	}
	var known bool
	if by, known = a.jwks.ring.verify(t); by != nil || known {
		return a.signed(by)
	}
	ok, err := a.jwks.await(ctx, func() bool {
		by, known = a.jwks.ring.verify(t)
		return by != nil || known
	})
	switch {
	case err != nil:
		a.failures.total[noKeys].Inc()
		return nil, err
	case !ok:
		return nil, a.failures.refuse(unknownKeyID, "no key is known that could have signed the token")
	}
	return a.signed(by)
}

func (a *Authenticator) signed(by *checkKey) (*checkKey, error) {
	if by == nil {
		return nil, a.failures.refuse(wrongSig, "the signature of the token is not good")
	}
	return by, nil
}
