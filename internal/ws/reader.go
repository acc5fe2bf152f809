package ws

import (
	"net/http"
	"slices"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// ServeReader serves GET /v1/readers/ws. It returns an error when nothing has
// been written.
func (s *Server) ServeReader(w http.ResponseWriter, r *http.Request, who *auth.Principal) error {
	spec, from, err := hub.ParseReaderSpec(r.URL.RawQuery, s.opts.MaxStreams)
	if err != nil {
		return err
	}
	sess, err := s.open(roleReader, "", who)
	if err != nil {
		return err
	}
	// Before the upgrade is looked at: a plain GET tells what a socket would.
	spec.Wake, spec.Scope = sess.stir, sess.scope()
	reader, err := s.broker.Read(r.Context(), spec)
	if err != nil {
		s.closed(sess)
		return err
	}
	src := &readerSource{reader: reader, maxStreams: s.opts.MaxStreams}
	if err := checkUpgrade(r); err != nil {
		s.abandon(sess, src)
		return err
	}
	ready := readyFrame(sess, func(dst []byte) []byte {
		return appendString(appendStrings(dst, "streams", spec.Streams), "from", from)
	})
	s.serve(w, r, sess, ready, src)
	return nil
}

// readerSource is a reader as a source of frames.
type readerSource struct {
	reader     hub.Reader
	maxStreams int
}

func (s *readerSource) stop()           {}
func (s *readerSource) holds() int      { return 0 }
func (s *readerSource) names() []string { return s.reader.Streams() }
func (s *readerSource) close(*session)  { s.reader.Close() }

func (s *readerSource) frames(out *outbox) (more bool, err error) {
	reading, err := s.reader.Take(0)
	if err != nil || len(reading.Gaps)+len(reading.Events) == 0 {
		return false, err
	}
	for _, gap := range reading.Gaps {
		out.text(gapFrame(gap))
	}
	deliver(out, &reading)
	return true, nil
}

// deliver adds the events, in frames that each tell the place behind their last.
func deliver(out *outbox, r *hub.Reading) {
	if len(r.Events) == 0 {
		return
	}
	after := appendCursor(nil, r.After)
	at := slices.Clone(r.Before) // the place behind the events in the frame
	for i := range r.Events {
		event := &r.Events[i]
		if !out.fits(len(event.JSON) + len(after)) {
			out.seal(appendCursor(nil, at))
		}
		out.join(event.JSON)
		at.Move(event.Stream, event.ID)
	}
	out.seal(after)
}

func appendCursor(dst []byte, cursor hub.Cursor) []byte {
	return appendString(dst, "cursor", cursor.String())
}

func (s *readerSource) command(sess *session, c *command) error {
	switch c.kind {
	case kindAddStream:
		return s.addStream(sess, c)
	case kindRemoveStream:
		return s.removeStream(sess, c)
	case kindPause:
		return s.flow(sess, c, s.reader.Pause)
	case kindResume:
		return s.flow(sess, c, s.reader.Resume)
	}
	return hub.Errorf(hub.CodeInvalidRequest,
		"%q is not a command of a reader (commands: add_stream, remove_stream, pause, resume, publish, authenticate)", truncate(c.kind, 64))
}
