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
	src := &sinkSource{consumer: consumer, spec: spec, maxStreams: s.opts.MaxStreams, batch: batcher{buffers: s.buffers}}
	sess.run(conn, src.readyFrame(sess), src)
	return nil
}

// sinkSource is a consumer as a source of frames.
type sinkSource struct {
	consumer   hub.Consumer
	spec       hub.ConsumerSpec
	maxStreams int
	batch      batcher
}

func (s *sinkSource) readyFrame(sess *session) []byte {
	info := s.consumer.Info()
	from, ok := s.spec.Settings[hub.SettingFrom]
	if !ok {
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
func (s *sinkSource) stop()                  { s.consumer.Stop() }
func (s *sinkSource) holds() int             { return s.consumer.Held() }

func (s *sinkSource) frames(write func([]byte) error) (more bool, err error) {
	s.batch.write = write
	delivery, err := s.consumer.Take()
	if err != nil || len(delivery.Notices)+len(delivery.Gaps)+len(delivery.Events) == 0 {
		return false, err
	}
	return true, s.deliver(delivery)
}

func (s *sinkSource) deliver(d hub.Delivery) error {
	for _, notice := range d.Notices {
		if err := s.batch.write(errorFrame(nil, notice)); err != nil {
			return err
		}
	}
	for _, gap := range d.Gaps {
		if err := s.batch.write(gapFrame(gap)); err != nil {
			return err
		}
	}
	for i := range d.Events {
		if err := s.batch.add(d.Events[i].AppendJSON); err != nil {
			return err
		}
	}
	return s.batch.flush(nil)
}

func (s *sinkSource) command(sess *session, c *command) error {
	switch c.kind {
	case kindAck:
		return s.ack(sess, c)
	case kindNack:
		return s.nack(sess, c)
	case kindExtend:
		return s.extend(sess, c)
	case kindCredit:
		return s.credit(sess, c)
	case kindPause:
		return s.pause(sess, c)
	case kindResume:
		return s.resume(sess, c)
	case kindAddStream:
		return s.addStream(sess, c)
	case kindRemoveStream:
		return s.removeStream(sess, c)
	}
	return hub.Errorf(hub.CodeInvalidRequest,
		"%q is not a command of a sink (commands: ack, nack, extend, credit, pause, resume, add_stream, remove_stream, publish)", truncate(c.kind, 64))
}
