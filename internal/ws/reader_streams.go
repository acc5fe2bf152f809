package ws

import (
	"context"

	"eventhub/internal/hub"
)

func (s *readerSource) addStream(sess *session, c *command) error {
	f := c.read("stream", "from")
	stream, from, said := f.stream(), f.place("from"), f.has("from")
	if _, err := from.In(stream); err != nil {
		f.wrong("from: %s", err.Detail)
	}
	f.room(stream, s.reader.Streams(), s.maxStreams)
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	ctx, cancel := context.WithTimeout(context.Background(), addLimit)
	defer cancel()
	reads, err := s.reader.AddStream(ctx, stream, from)
	var ignored []string
	if reads && said {
		ignored = []string{hub.SettingFrom}
	}
	sess.answer(c, err, addedStream(stream, ignored))
	return nil
}

// removeStream is answered behind the last event of the stream that was on its
// way, as answers are written between a source's frames.
func (s *readerSource) removeStream(sess *session, c *command) error {
	f := c.read("stream")
	stream := f.stream()
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	s.reader.RemoveStream(stream)
	sess.answer(c, nil, removedStream(stream))
	return nil
}

// flow is pause and resume, answered like removeStream.
func (s *readerSource) flow(sess *session, c *command, change func()) error {
	if err := c.read().err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	change()
	sess.answer(c, nil, nil)
	return nil
}
