package ws

import (
	"context"
	"time"
)

// keepInterval is how often sockets are looked after: one goroutine for all is
// cheaper than a timer or a context for each frame.
const keepInterval = 500 * time.Millisecond

// keep ends sockets whose peer takes no frames or answers no pings.
func (s *Server) keep(ctx context.Context) {
	ticker := time.NewTicker(min(keepInterval, s.opts.WriteLimit/2, s.opts.PingEvery/2))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, sess := range s.all() {
				s.look(sess, now)
			}
		}
	}
}

func (s *Server) look(sess *session, now time.Time) {
	if !sess.started.Load() {
		return
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
		if sess.writing.Load() == 0 && now.Sub(time.Unix(0, since)) > s.opts.WriteLimit+s.opts.PingEvery {
			sess.kill()
		}
	case now.Sub(sess.lastPing) >= s.opts.PingEvery:
		sess.lastPing = now
		sess.ping()
	}
}
