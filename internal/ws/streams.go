package ws

import (
	"context"
	"slices"
	"time"
)

// addLimit is how long the addition of a stream, or of channels, may take. The
// socket's next command waits for it.
const addLimit = 3 * time.Second

func (s *sinkSource) addStream(sess *session, c *command) error {
	f := c.read("stream", "from")
	stream, from := f.stream(), f.position("from")
	f.room(stream, s.consumer.Streams(), s.maxStreams)
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	ctx, cancel := context.WithTimeout(context.Background(), addLimit)
	defer cancel()
	info, err := s.consumer.AddStream(ctx, stream, from)
	sess.answer(c, err, addedStream(stream, info.Ignored))
	return nil
}

// room makes it a fault to read a stream beside so many others.
func (f *fields) room(stream string, reads []string, most int) {
	if len(reads) >= most && !slices.Contains(reads, stream) {
		f.wrong("stream: at most %d are allowed on one connection", most)
	}
}

// addedStream is what add_stream is answered.
func addedStream(stream string, ignored []string) func(dst []byte) []byte {
	return func(dst []byte) []byte {
		return appendStrings(appendString(dst, "stream", stream), "ignored", ignored)
	}
}

// removedStream is what remove_stream is answered.
func removedStream(stream string) func(dst []byte) []byte {
	return func(dst []byte) []byte { return appendString(dst, "stream", stream) }
}

func (s *sinkSource) removeStream(sess *session, c *command) error {
	f := c.read("stream")
	stream := f.stream()
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	s.consumer.RemoveStream(stream, func() {
		sess.answer(c, nil, removedStream(stream))
	})
	return nil
}
