package ws

import (
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// identity is who a socket is served for, until another takes its place.
type identity struct {
	who   *auth.Principal
	scope hub.Scope // what it sees, for the socket's role; nil: everything
}

func (s *session) identify(who *auth.Principal) *identity {
	id := &identity{who: who}
	switch s.role {
	case roleSink:
		id.scope = who.SinkScope(s.sink)
	case roleReader:
		id.scope = who.Scope(auth.Read, auth.Stream)
	case roleBroadcast:
		id.scope = who.Scope(auth.Subscribe, auth.Channel)
	}
	return id
}

// scope is what the engine asks of a socket; nil: nothing, as its principal sees
// everything, and so will those that replace it.
func (s *session) scope() hub.Scope {
	if s.identity.Load().scope == nil {
		return nil
	}
	return sessionScope{s}
}

// sessionScope asks the principal of the moment.
type sessionScope struct{ session *session }

// See implements hub.Scope.
func (s sessionScope) See(name string) (topics []string, err error) {
	return s.session.identity.Load().scope.See(name)
}

// lookWho tells a socket that its token is about to expire, and ends it when that has,
// or its principal has ended otherwise.
func (s *session) lookWho(now time.Time) {
	err := s.identity.Load().who.Ended(now)
	switch {
	case err == nil:
		s.announce(now)
	case !s.revoked.IsZero():
		// It was told. Who takes the frames before that slowly does not go on for longer.
		if now.Sub(s.revoked) > s.server.opts.WriteLimit {
			s.kill()
		}
	case err.Code == hub.CodeUnavailable: // it may come again, as after a drain
		s.revoked = now
		s.endBy(&ending{websocket.StatusServiceRestart, err.Detail}, nil)
	default:
		s.revoked = now
		s.fail(err)
	}
}

// announce tells once of each token that it is about to expire.
func (s *session) announce(now time.Time) {
	id := s.identity.Load()
	at := id.who.Expires()
	if at.IsZero() || s.told == id || at.Sub(now) > hub.ExpiringBefore {
		return
	}
	s.told = id
	s.reply(expiringFrame(at))
}

func expiringFrame(at time.Time) []byte {
	return append(appendString([]byte(`{"type":"expiring"`), "at", hub.FormatTime(at)), '}')
}
