package ws

import (
	"context"
	"time"
)

// Pings and pongs go out between other frames, by who writes those. coder/websocket
// would wait for the connection, and end it after 5 s.

// ping has the peer asked for a sign of life.
func (s *session) ping() {
	s.mu.Lock()
	s.pinging = true
	s.mu.Unlock()
	s.stir()
}

func (s *session) onPong(context.Context, []byte) { s.unanswered.Store(0) }

// stillUnanswered gives the peer more time for its pong.
func (s *session) stillUnanswered() {
	if since := s.unanswered.Load(); since != 0 {
		s.unanswered.CompareAndSwap(since, time.Now().UnixNano())
	}
}

// onPing has the peer answered, the last of its pings if there are several (RFC 6455,
// §5.5.3); false: by nobody else.
func (s *session) onPing(_ context.Context, payload []byte) bool {
	pong := append([]byte{}, payload...) // an empty one is to be sent, too
	s.mu.Lock()
	s.pong = pong
	s.mu.Unlock()
	s.stir()
	return false
}

// gatherControl adds what is due of both.
func (s *session) gatherControl(out *outbox) {
	s.mu.Lock()
	pinging, pong := s.pinging, s.pong
	s.pinging, s.pong = false, nil
	s.mu.Unlock()
	if pong != nil {
		out.add(finalPong, pong)
	}
	if pinging {
		out.add(finalPing, nil)
		s.unanswered.Store(time.Now().UnixNano())
	}
}
