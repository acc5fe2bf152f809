package ws

import (
	"context"
	"net/http"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// handbackLimit is how long a consumer's events may take on their way back to
// Redis when its connection ends; past it they come back after ack_wait.
const handbackLimit = 3 * time.Second

// ServeSink serves GET /v1/sinks/{sink}/ws. It returns an error when nothing has
// been written.
func (s *Server) ServeSink(w http.ResponseWriter, r *http.Request, who *auth.Principal) error {
	spec, err := hub.ParseConsumerSpec(r.PathValue("sink"), r.URL.RawQuery,
		hub.SpecDefaults{Prefetch: s.opts.Prefetch, MaxStreams: s.opts.MaxStreams})
	if err != nil {
		return err
	}
	sess, err := s.open(roleSink, spec.Sink, who)
	if err != nil {
		return err
	}
	if spec.Label == "" {
		spec.Label = sess.id
	}
	spec.Wake, spec.Scope = sess.stir, sess.scope()
	consumer, err := s.consume(r, spec)
	if err != nil {
		s.closed(sess)
		return err
	}
	src := &sinkSource{consumer: consumer, spec: spec, maxStreams: s.opts.MaxStreams, due: &sess.due}
	s.serve(w, r, sess, src.readyFrame(sess), src)
	return nil
}

// consume attaches a consumer for a request that can be upgraded. A plain GET tells what a
// socket would, and changes nothing.
func (s *Server) consume(r *http.Request, spec hub.ConsumerSpec) (hub.Consumer, error) {
	if err := s.broker.Check(r.Context(), spec); err != nil {
		return nil, err
	}
	if err := checkUpgrade(r); err != nil {
		return nil, err
	}
	return s.broker.Consume(r.Context(), spec)
}

// sinkSource is a consumer as a source of frames.
type sinkSource struct {
	consumer   hub.Consumer
	spec       hub.ConsumerSpec
	maxStreams int
	due        *due // the session's

	receipt [1]hub.Receipt // room for gather
	crowd   crowd
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

func (s *sinkSource) stop()           { s.consumer.Stop() }
func (s *sinkSource) holds() int      { return s.consumer.Held() }
func (s *sinkSource) names() []string { return s.consumer.Streams() }

func (s *sinkSource) close(sess *session) {
	ctx, cancel := context.WithTimeout(context.Background(), handbackLimit)
	defer cancel()
	sess.mu.Lock()
	draining := sess.draining
	sess.mu.Unlock()
	s.consumer.Close(ctx, draining)
}

func (s *sinkSource) frames(out *outbox) (more bool, err error) {
	delivery, err := s.consumer.Take()
	if err != nil || len(delivery.Notices)+len(delivery.Gaps)+len(delivery.Events) == 0 {
		return false, err
	}
	for _, notice := range delivery.Notices {
		out.text(errorFrame(nil, notice))
	}
	for _, gap := range delivery.Gaps {
		out.text(gapFrame(gap))
	}
	s.due.add(len(delivery.Events)) // before the client can settle them
	for i := range delivery.Events {
		out.put(delivery.Events[i].AppendJSON)
	}
	out.seal(nil)
	return true, nil
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
		"%q is not a command of a sink (commands: ack, nack, extend, credit, pause, resume, add_stream, remove_stream, publish, authenticate)", truncate(c.kind, 64))
}
