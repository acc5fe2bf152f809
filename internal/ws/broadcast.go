package ws

import (
	"net/http"

	"eventhub/internal/hub"
)

// ServeBroadcast serves GET /v1/broadcast/ws. It returns an error when nothing
// has been written.
func (s *Server) ServeBroadcast(w http.ResponseWriter, r *http.Request) error {
	channels, err := hub.ParseChannels(r.URL.RawQuery, s.opts.MaxChannels)
	if err != nil {
		return err
	}
	if err := checkUpgrade(r); err != nil {
		return err
	}
	sess, err := s.open(roleBroadcast)
	if err != nil {
		return err
	}
	defer s.closed(sess)
	sub, err := s.broker.Subscribe(r.Context(), channels)
	if err != nil {
		return err
	}
	defer sub.Close()
	conn, err := s.accept(w, r, sess)
	if err != nil {
		return nil // answered
	}
	ready := readyFrame(sess, func(dst []byte) []byte { return appendStrings(dst, "channels", channels) })
	sess.run(conn, ready, &broadcastSource{sub: sub, batch: batcher{buffers: s.buffers}})
	return nil
}

// broadcastSource is a subscription as a source of frames.
type broadcastSource struct {
	sub   hub.Subscription
	batch batcher
}

func (b *broadcastSource) ready() <-chan struct{} { return b.sub.Ready() }
func (b *broadcastSource) stop()                  {}
func (b *broadcastSource) holds() int             { return 0 }

func (b *broadcastSource) frames(write func([]byte) error) (more bool, err error) {
	messages, err := b.sub.Take()
	if err != nil || len(messages.Gaps)+len(messages.Events) == 0 {
		return false, err
	}
	for _, gap := range messages.Gaps {
		if err := write(gapFrame(gap)); err != nil {
			return false, err
		}
	}
	b.batch.write = write
	for _, event := range messages.Events {
		if !b.batch.fits(len(event)) {
			if err := b.batch.flush(nil); err != nil {
				return false, err
			}
		}
		b.batch.join(event)
	}
	return true, b.batch.flush(nil)
}

func (b *broadcastSource) command(_ *session, c *command) error {
	return hub.Errorf(hub.CodeInvalidRequest, "%q is not a command of a broadcast socket (commands: publish)", truncate(c.kind, 64))
}
