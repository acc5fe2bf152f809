package auth

import (
	"encoding/json"
	"sync/atomic"
	"time"

	"eventhub/internal/hub"
)

// anonymousID is the id of who shows no token.
const anonymousID = "anonymous"

// Principal is who asks. Its methods are safe for concurrent use. A nil Principal may
// do nothing.
type Principal struct {
	id      string
	all     bool // it may do everything
	rules   []rule
	expires time.Time // zero: never

	owner    owner // of the account
	limits   Limits
	accounts *accounts // nil: nothing bounds it
	account  *Account

	life  *life           // of the key that it came by; nil: it has none
	claim json.RawMessage // what a token grants; nil of others
}

// life is that of a key: whoever came by it ends with it. It is shared by all principals
// of the key.
type life struct {
	print string // tells keys apart, also on other hubs
	ended atomic.Pointer[hub.Error]
}

// end ends whoever came by the key.
func (l *life) end(code hub.Code, why string) { l.ended.Store(&hub.Error{Code: code, Detail: why}) }

// newPrincipal is who may do what the rules say, by a key.
func (a *accounts) newPrincipal(id string, rules []rule, limits Limits, by *life) *Principal {
	p := &Principal{id: id, rules: rules, owner: owner{id: id}, limits: limits, accounts: a, life: by}
	p.account = a.of(p.owner, limits)
	return p
}

// Everybody is a principal that may do everything, without a limit.
func Everybody() *Principal { return &Principal{id: anonymousID, all: true} }

// ID tells principals apart, in logs and for limits: key:<id>, jwt:<subject>, anonymous.
func (p *Principal) ID() string {
	if p == nil {
		return "nobody"
	}
	return p.id
}

// Anonymous says that the principal has shown nothing, where nobody has to.
func (p *Principal) Anonymous() bool { return p != nil && p.id == anonymousID }

// Account bounds what the principal does; nil: nothing does.
func (p *Principal) Account() *Account {
	if p == nil {
		return nil
	}
	if p.account == nil || !p.account.gone.Load() {
		return p.account
	}
	return p.accounts.of(p.owner, p.limits)
}

// May is nil where the principal has any of the verbs for what is named so; else an
// *Error of CodeForbidden that says what is missing.
func (p *Principal) May(verbs Verb, kind Kind, name string) error {
	if p != nil {
		if p.all {
			return nil
		}
		for i := range p.rules {
			if p.rules[i].has(verbs, kind, name) {
				return nil
			}
		}
	}
	return hub.Errorf(hub.CodeForbidden, "%q has no permission to %s the %s %q", p.ID(), verbs, kind, name)
}

// MaySink is May for a sink and one of its streams, which one permission must name both.
func (p *Principal) MaySink(verbs Verb, sink, stream string) error {
	if p != nil {
		if p.all {
			return nil
		}
		for i := range p.rules {
			if r := &p.rules[i]; r.has(verbs, Sink, sink) && r.has(verbs, Stream, stream) {
				return nil
			}
		}
	}
	return hub.Errorf(hub.CodeForbidden, "%q has no permission to %s the sink %q with the stream %q", p.ID(), verbs, sink, stream)
}

// MayAdminister is May for what is about the whole hub: metrics, profiles, the log's
// level. It takes a permission to manage everything: the pattern ** for streams, sinks
// and channels.
func (p *Principal) MayAdminister() error {
	if p != nil {
		if p.all {
			return nil
		}
		for i := range p.rules {
			if p.rules[i].all && p.rules[i].verbs&Manage != 0 {
				return nil
			}
		}
	}
	return hub.Errorf(hub.CodeForbidden, "%q has no permission to manage all streams, sinks and channels (** each), which administration takes", p.ID())
}

// Scope is what the verb reaches of streams or channels; nil: everything, without a
// bound on topics.
func (p *Principal) Scope(verb Verb, kind Kind) hub.Scope {
	if p != nil && p.all {
		return nil
	}
	return scope{p: p, verb: verb, kind: kind}
}

// SinkScope is what may be consumed of streams through a sink; nil: everything.
func (p *Principal) SinkScope(sink string) hub.Scope {
	if p != nil && p.all {
		return nil
	}
	return scope{p: p, verb: Consume, kind: Stream, sink: sink}
}

// Expires is when the principal's token does; zero: never.
func (p *Principal) Expires() time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.expires
}

// Ended says why the principal may do nothing any more, nil where it may:
// CodeUnauthenticated where its token has expired or its key was taken away,
// CodeUnavailable where its permissions have changed, and it may come again.
func (p *Principal) Ended(now time.Time) *hub.Error {
	switch {
	case p == nil:
		return hub.Errorf(hub.CodeUnauthenticated, "nobody is known here")
	case !p.expires.IsZero() && !now.Before(p.expires):
		return hub.Errorf(hub.CodeUnauthenticated, "the token has expired, at %s", hub.FormatTime(p.expires))
	}
	if p.life == nil {
		return nil
	}
	return p.life.ended.Load()
}

// scope implements hub.Scope.
type scope struct {
	p    *Principal
	verb Verb
	kind Kind
	sink string // through which a stream is consumed; "": through none
}

func (s scope) See(name string) (topics []string, err error) {
	if s.p == nil {
		return nil, s.refusal(name)
	}
	allowed := false
	for i := range s.p.rules {
		r := &s.p.rules[i]
		if !r.has(s.verb, s.kind, name) || s.sink != "" && !r.has(s.verb, Sink, s.sink) {
			continue
		}
		if len(r.topics) == 0 {
			return nil, nil
		}
		allowed = true
		if topics == nil {
			topics = r.topics // of most there is one only
		} else {
			topics = append(topics[:len(topics):len(topics)], r.topics...)
		}
	}
	if !allowed {
		return nil, s.refusal(name)
	}
	return topics, nil
}

func (s scope) refusal(name string) error {
	if s.sink != "" {
		return s.p.MaySink(s.verb, s.sink, name)
	}
	return s.p.May(s.verb, s.kind, name)
}
