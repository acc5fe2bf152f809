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
				s.look(ctx, sess, now)
			}
		}
	}
}

func (s *Server) look(ctx context.Context, sess *session, now time.Time) {
	if !sess.started.Load() {
		return
	}
	if since := sess.writing.Load(); since != 0 && now.Sub(time.Unix(0, since)) > s.opts.WriteLimit {
		s.metrics.stalled.Inc()
		sess.kill()
		return
	}
	if sess.lastPing.IsZero() {
		sess.lastPing = now
		return
	}
	// A frame under way shows that the peer is there or meets the write limit. A
	// ping would wait for it, and coder/websocket gives a ping 5 s.
	if now.Sub(sess.lastPing) < s.opts.PingEvery || sess.writing.Load() != 0 || sess.pinging.Swap(true) {
		return
	}
	sess.lastPing = now
	s.keeping.Go(func() {
		defer sess.pinging.Store(false)
		// The pong is read by the session's reader.
		ctx, cancel := context.WithTimeout(ctx, s.opts.WriteLimit+s.opts.PingEvery)
		defer cancel()
		if sess.conn.Ping(ctx) != nil && (ctx.Err() != nil || sess.writing.Load() == 0) {
			sess.kill()
		}
	})
}
