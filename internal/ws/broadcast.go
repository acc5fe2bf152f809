package ws

import (
	"net/http"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// takeBytes is about how much of a broadcast goes into one frame. A client that
// reads nothing holds so much beside its queue and the kernel's buffer.
const takeBytes = 64 << 10

// ServeBroadcast serves GET /v1/broadcast/ws. It returns an error when nothing
// has been written.
func (s *Server) ServeBroadcast(w http.ResponseWriter, r *http.Request, who *auth.Principal) error {
	spec, err := hub.ParseBroadcastSpec(r.URL.RawQuery, s.opts.MaxChannels)
	if err != nil {
		return err
	}
	sess, err := s.open(roleBroadcast, "", who)
	if err != nil {
		return err
	}
	spec.Wake, spec.Scope = sess.stir, sess.scope()
	sub, err := s.subscribe(r, spec)
	if err != nil {
		s.closed(sess)
		return err
	}
	ready := readyFrame(sess, func(dst []byte) []byte { return appendStrings(dst, "channels", spec.Channels) })
	s.serve(w, r, sess, ready, &broadcastSource{sub: sub, maxChannels: s.opts.MaxChannels})
	return nil
}

// subscribe subscribes for a request that can be upgraded. A plain GET tells what a socket
// would.
func (s *Server) subscribe(r *http.Request, spec hub.BroadcastSpec) (hub.Subscription, error) {
	if spec.Scope != nil {
		for _, channel := range spec.Channels {
			if _, err := spec.Scope.See(channel); err != nil {
				return nil, err
			}
		}
	}
	if err := checkUpgrade(r); err != nil {
		return nil, err
	}
	return s.broker.Subscribe(r.Context(), spec)
}

// broadcastSource is a subscription as a source of frames.
type broadcastSource struct {
	sub         hub.Subscription
	maxChannels int
}

func (s *broadcastSource) stop()           {}
func (s *broadcastSource) holds() int      { return 0 }
func (s *broadcastSource) names() []string { return s.sub.Channels() }
func (s *broadcastSource) close(*session)  { s.sub.Close() }

func (s *broadcastSource) frames(out *outbox) (more bool, err error) {
	messages, err := s.sub.Take(out.messages[:0], takeBytes)
	if err != nil || len(messages) == 0 {
		return false, err
	}
	out.messages = messages
	defer clear(messages) // an old one must not live on
	if out.empty() {
		out.borrow(out.cast.of(messages))
	} else {
		out.addMessages(messages)
	}
	bytes := 0
	for _, m := range messages {
		bytes += len(m.JSON)
	}
	return bytes >= takeBytes, nil // otherwise that was all
}

func (s *broadcastSource) command(sess *session, c *command) error {
	switch c.kind {
	case kindSubscribe:
		return s.subscribe(sess, c)
	case kindUnsubscribe:
		return s.unsubscribe(sess, c)
	}
	return hub.Errorf(hub.CodeInvalidRequest,
		"%q is not a command of a broadcast socket (commands: subscribe, unsubscribe, publish, authenticate)", truncate(c.kind, 64))
}
