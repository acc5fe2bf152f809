package ws

import (
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/hub"
)

// ending is how a socket is closed.
type ending struct {
	code   websocket.StatusCode
	reason string
}

// end has the socket closed after what is queued; err is told to the
// client first. Only the first call counts, and is answered true.
func (s *session) end(code websocket.StatusCode, err *hub.Error) (first bool) {
	if err == nil {
		return s.endBy(&ending{code: code}, nil)
	}
	return s.endBy(&ending{code, err.Detail}, errorFrame(nil, err))
}

// endBy is end with a last frame; nil: without.
func (s *session) endBy(end *ending, last []byte) (first bool) {
	s.mu.Lock()
	if first = s.ending == nil; first {
		if last != nil {
			s.replies = append(s.replies, last)
		}
		s.ending = end
	}
	s.mu.Unlock()
	s.stir()
	return first
}

// fail is end with the close code that says err best.
func (s *session) fail(err *hub.Error) (first bool) {
	return s.end(websocket.StatusCode(4000+err.Code.Status()), err)
}

// exceed is fail for who is beyond a limit.
func (s *session) exceed(limit string, err *hub.Error) {
	if s.fail(err) {
		s.server.opts.Limited(limit)
	}
}

// drain tells the client to connect elsewhere, and ends the socket once it holds
// nothing.
func (s *session) drain(reconnectAfter time.Duration) {
	s.mu.Lock()
	if !s.draining && s.ending == nil {
		s.replies = append(s.replies, drainFrame(reconnectAfter))
	}
	s.draining = true
	s.mu.Unlock()
	s.stir()
}

// kill ends the socket without a word, and without waiting.
func (s *session) kill() {
	s.mu.Lock()
	w := s.wire
	s.killed = true
	s.mu.Unlock()
	if w != nil {
		w.cut()
	}
	poke(s.room)
}

// over says whether what the client asks for comes too late.
func (s *session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending != nil || s.killed
}
