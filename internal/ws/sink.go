package ws

import (
	"context"
	"net/http"
	"time"

	"eventhub/internal/hub"
)

// handbackLimit is how long a consumer's events may take on their way back to
// Redis when its connection ends; past it they come back after ack_wait.
const handbackLimit = 3 * time.Second

// ServeSink serves GET /v1/sinks/{sink}/ws. It returns an error when nothing has
// been written.
func (s *Server) ServeSink(w http.ResponseWriter, r *http.Request) error {
	spec, err := hub.ParseConsumerSpec(r.PathValue("sink"), r.URL.RawQuery,
		hub.SpecDefaults{Prefetch: s.opts.Prefetch, MaxStreams: s.opts.MaxStreams})
	if err != nil {
		return err
	}
	if err := s.broker.Check(r.Context(), spec); err != nil {
		return err
	}
	if err := checkUpgrade(r); err != nil {
		return err
	}
	sess, err := s.open(roleSink)
	if err != nil {
		return err
	}
	defer s.closed(sess)
	if spec.Label == "" {
		spec.Label = sess.id
	}
	consumer, err := s.broker.Consume(r.Context(), spec)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), handbackLimit)
		defer cancel()
		sess.mu.Lock()
		draining := sess.draining
		sess.mu.Unlock()
		consumer.Close(ctx, draining)
	}()
	conn, err := s.accept(w, r, sess)
	if err != nil {
		return nil // answered
	}
	src := &sinkSource{consumer: consumer, spec: spec, batch: batcher{buffers: s.buffers}}
	sess.run(conn, src.readyFrame(sess), src)
	return nil
}

// sinkSource is a consumer as a source of frames.
type sinkSource struct {
	consumer hub.Consumer
	spec     hub.ConsumerSpec
	batch    batcher
}

func (s *sinkSource) readyFrame(sess *session) []byte {
	info := s.consumer.Info()
	from := s.spec.From
	if from == "" {
		from = info.Config.From
	}
	return readyFrame(sess, func(dst []byte) []byte {
		dst = appendString(dst, "sink", s.spec.Sink)
		dst = appendStrings(dst, "streams", s.spec.Streams)
		dst = appendString(dst, "from", from)
		dst = appendStrings(dst, "ignored", info.Ignored)
		dst = appendString(dst, "ack_wait", hub.FormatDuration(info.Config.AckWait))
		return appendInt(dst, "prefetch", s.spec.Prefetch)
	})
}

func (s *sinkSource) ready() <-chan struct{} { return s.consumer.Ready() }
func (s *sinkSource) pause()                 { s.consumer.Pause() }
func (s *sinkSource) holds() int             { return s.consumer.Held() }

func (s *sinkSource) frames(write func([]byte) error) error {
	for {
		events, err := s.consumer.Take()
		if err != nil || len(events) == 0 {
			return err
		}
		s.batch.write = write
		for i := range events {
			if err := s.batch.add(events[i].AppendJSON); err != nil {
				return err
			}
		}
		if err := s.batch.flush(); err != nil {
			return err
		}
	}
}

func (s *sinkSource) command(sess *session, c *command) error {
	switch c.kind {
	case kindAck:
		return s.ack(sess, c)
	case kindNack:
		return s.nack(sess, c)
	}
	return hub.Errorf(hub.CodeInvalidRequest, "%q is not a command of a sink (commands: ack, nack)", truncate(c.kind, 64))
}

// target is the stream a command means; it may be left out where there is one.
func (s *sinkSource) target(c *command) (string, error) {
	switch {
	case c.stream != "":
		return c.stream, nil
	case len(s.spec.Streams) == 1:
		return s.spec.Streams[0], nil
	}
	return "", hub.Errorf(hub.CodeInvalidRequest, "stream is missing: this connection reads %d", len(s.spec.Streams))
}

func (s *sinkSource) ack(sess *session, c *command) error {
	if err := c.only("stream", "ids"); err != nil {
		return err
	}
	stream, err := s.target(c)
	if err != nil {
		return err
	}
	if len(c.receipts) == 0 {
		return hub.Errorf(hub.CodeInvalidRequest, "ids is missing")
	}
	ids := make([]hub.ID, len(c.receipts))
	if c.objects {
		return hub.Errorf(hub.CodeInvalidRequest, "ids: an ack takes plain ids, whichever delivery they are of")
	}
	for i, r := range c.receipts {
		ids[i] = r.ID
	}
	sess.begin(len(ids))
	err = s.consumer.Ack(stream, ids, func(result hub.AckResult, err error) {
		sess.answer(c, err, func(dst []byte) []byte {
			return appendIDs(appendIDs(dst, "acked", result.Done), "not_pending", result.NotPending)
		})
	})
	return sess.refused(c, err)
}

func (s *sinkSource) nack(sess *session, c *command) error {
	if err := c.only("stream", "ids", "delay"); err != nil {
		return err
	}
	stream, err := s.target(c)
	if err != nil {
		return err
	}
	if len(c.receipts) == 0 {
		return hub.Errorf(hub.CodeInvalidRequest, "ids is missing")
	}
	sess.begin(len(c.receipts))
	err = s.consumer.Nack(stream, c.receipts, c.delay, func(result hub.AckResult, err error) {
		sess.answer(c, err, func(dst []byte) []byte {
			dst = appendIDs(dst, "nacked", result.Done)
			dst = appendIDs(dst, "not_pending", result.NotPending)
			return appendIDs(dst, "stale", result.Stale)
		})
	})
	return sess.refused(c, err)
}
