package ws

import (
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/hub"
)

// stir has the session's pump see what there is to write. It does not block.
func (s *session) stir() {
	if !s.queued.Swap(true) {
		s.pump.add(s)
	}
}

// turn writes what is due, as far as the connection takes it at once. What is left,
// and the parting, another goroutine has to wait for; until then nothing else is taken
// from the source.
func (s *session) turn(out *outbox) {
	s.queued.Store(false)
	if !s.started.Load() || !s.pen.TryLock() {
		return // start, or who has the pen, stirs the session afterwards
	}
	if s.muted {
		s.pen.Unlock()
		return
	}
	defer s.stumble(out)
	parting, more := s.gather(out)
	n, held, err := s.wire.try(out.frames())
	rest := out.clear(n)
	if err == nil && rest == nil && parting == nil {
		s.pen.Unlock()
		if more && !s.queued.Swap(true) {
			s.pump.addLater(s)
		}
		return
	}
	s.finishing.Go(func() {
		s.finish(rest, held, err, parting)
		s.pen.Unlock()
		s.stir()
	})
}

// finish does what takes its time, with the pen in its hand.
func (s *session) finish(rest []byte, held bool, err error, parting *ending) {
	if err == nil && rest != nil {
		err = s.wire.write(rest, held, func() { s.writing.Store(time.Now().UnixNano()) }) // the keeper ends it when nothing is taken
		s.stillUnanswered()                                                               // the kernel has it, and a ping behind it, but perhaps not the peer
		s.writing.Store(0)
	}
	switch {
	case err != nil:
		s.kill()
	case parting != nil:
		s.part(parting)
	default:
		return
	}
	s.fallSilent()
}

// fallSilent is called by who has the pen: nothing is written any more.
func (s *session) fallSilent() {
	if !s.muted {
		s.muted = true
		close(s.mute)
	}
}

// stumble keeps a panic in one turn from ending the hub, and the other sockets' frames
// from going astray.
func (s *session) stumble(out *outbox) {
	if cause := recover(); cause != nil {
		s.server.panicked(s, cause)
		*out = outbox{}
		s.kill()
		s.fallSilent()
		s.pen.Unlock()
	}
}

// gather adds what is due to out.
func (s *session) gather(out *outbox) (parting *ending, more bool) {
	replies, draining, end := s.take()
	s.gatherControl(out)
	if draining && !s.stopped {
		s.source.stop()
		s.stopped = true
	}
	for _, frame := range replies {
		out.text(frame)
	}
	switch {
	case end != nil:
		return end, false
	case draining && s.source.holds() == 0 && s.quiet():
		return &ending{websocket.StatusServiceRestart, "the hub is shutting down"}, false
	case draining:
		return nil, false
	}
	// A bit at a time: answers do not wait for the end of a long history.
	more, err := s.source.frames(out)
	if err != nil {
		s.fail(hub.AsError(err))
	}
	return nil, more
}

// take returns the frames to write before events, and how the session stands.
func (s *session) take() (replies [][]byte, draining bool, end *ending) {
	s.mu.Lock()
	replies, s.replies, s.waiting = s.replies, nil, 0
	draining, end = s.draining, s.ending
	s.mu.Unlock()
	poke(s.room)
	return replies, draining, end
}

// part says goodbye: the close frame, and the peer's in turn.
func (s *session) part(end *ending) {
	timer := time.AfterFunc(closeLimit, s.kill)
	defer timer.Stop()
	const longest = 123 // bytes of a reason (RFC 6455 §5.5)
	_ = s.conn.Close(end.code, truncate(end.reason, longest))
}
