package ws

import (
	"net/http"
	"slices"

	"eventhub/internal/hub"
)

// ServeReader serves GET /v1/readers/ws. It returns an error when nothing has
// been written.
func (s *Server) ServeReader(w http.ResponseWriter, r *http.Request) error {
	spec, from, err := hub.ParseReaderSpec(r.URL.RawQuery, s.opts.MaxStreams)
	if err != nil {
		return err
	}
	sess, err := s.open(roleReader)
	if err != nil {
		return err
	}
	defer s.closed(sess)
	// Before the upgrade is looked at: a plain GET tells what a socket would.
	reader, err := s.broker.Read(r.Context(), spec)
	if err != nil {
		return err
	}
	defer reader.Close()
	if err := checkUpgrade(r); err != nil {
		return err
	}
	conn, err := s.accept(w, r, sess)
	if err != nil {
		return nil // answered
	}
	ready := readyFrame(sess, func(dst []byte) []byte {
		return appendString(appendStrings(dst, "streams", spec.Streams), "from", from)
	})
	sess.run(conn, ready, &readerSource{reader: reader, maxStreams: s.opts.MaxStreams, batch: batcher{buffers: s.buffers}})
	return nil
}

// readerSource is a reader as a source of frames.
type readerSource struct {
	reader     hub.Reader
	maxStreams int
	batch      batcher
}

func (s *readerSource) ready() <-chan struct{} { return s.reader.Ready() }
func (s *readerSource) stop()                  {}
func (s *readerSource) holds() int             { return 0 }

func (s *readerSource) frames(write func([]byte) error) (more bool, err error) {
	reading, err := s.reader.Take(0)
	if err != nil || len(reading.Gaps)+len(reading.Events) == 0 {
		return false, err
	}
	for _, gap := range reading.Gaps {
		if err := write(gapFrame(gap)); err != nil {
			return false, err
		}
	}
	s.batch.write = write
	return true, s.deliver(&reading)
}

// deliver writes the events, in frames that each tell the place behind their last.
func (s *readerSource) deliver(r *hub.Reading) error {
	if len(r.Events) == 0 {
		return nil
	}
	after := appendCursor(nil, r.After)
	at := slices.Clone(r.Before) // the place behind the events in the frame
	for i := range r.Events {
		event := &r.Events[i]
		if !s.batch.fits(len(event.JSON) + len(after)) {
			if err := s.batch.flush(appendCursor(nil, at)); err != nil {
				return err
			}
		}
		s.batch.join(event.JSON)
		at.Move(event.Stream, event.ID)
	}
	return s.batch.flush(after)
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
		"%q is not a command of a reader (commands: add_stream, remove_stream, pause, resume, publish)", truncate(c.kind, 64))
}
