package ws

import (
	"context"
	"time"

	"eventhub/internal/hub"
)

// keepInterval is how often sockets are looked after: one goroutine for all is
// cheaper than a timer or a context for each frame.
const keepInterval = 500 * time.Millisecond

// keep ends sockets whose peer takes no frames, answers no pings, does not come to the
// end of a message, or may go on no longer.
func (s *Server) keep(ctx context.Context) {
	ticker := time.NewTicker(min(keepInterval, s.opts.WriteLimit/2, s.opts.PingEvery/2, s.opts.MessageLimit/2))
	defer ticker.Stop()
	var room []*session
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			room = s.lookAtAll(room, now)
		}
	}
}

// lookAtAll returns its room for the next time.
func (s *Server) lookAtAll(room []*session, now time.Time) []*session {
	list := s.all(room[:0])
	for i, sess := range list {
		s.look(sess, now)
		list[i] = nil // it may end before the next
	}
	if cap(list) > manyTurns {
		return nil
	}
	return list
}

func (s *Server) look(sess *session, now time.Time) {
	if !sess.started.Load() {
		return
	}
	sess.lookWho(now)
	if since := sess.wire.watch.since.Load(); since != 0 && now.Sub(time.Unix(0, since)) > s.opts.MessageLimit {
		sess.exceed(limitMessageTime, hub.Errorf(hub.CodeSlowConsumer, "a message took longer than %s to come", hub.FormatDuration(s.opts.MessageLimit)))
	}
	if since := sess.writing.Load(); since != 0 && now.Sub(time.Unix(0, since)) > s.opts.WriteLimit {
		s.metrics.stalled.Inc()
		sess.kill()
		return
	}
	switch since := sess.unanswered.Load(); {
	case sess.lastPing.IsZero():
		sess.lastPing = now
	case since != 0:
		// Frames that are being taken show that the peer is there; a ping waits for them.
		if sess.writing.Load() == 0 && now.Sub(time.Unix(0, since)) > s.opts.PingEvery+s.opts.WriteLimit/2 {
			sess.kill()
		}
	case now.Sub(sess.lastPing) >= s.opts.PingEvery:
		sess.lastPing = now
		sess.ping()
	}
}
