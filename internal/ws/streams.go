package ws

import (
	"context"
	"slices"
	"time"
)

// addLimit is how long the addition of a stream may take. The socket's next
// command waits for it.
const addLimit = 3 * time.Second

func (s *sinkSource) addStream(sess *session, c *command) error {
	f := c.read("stream", "from")
	stream, from := f.stream(), f.position("from")
	if reads := s.consumer.Streams(); len(reads) >= s.maxStreams && !slices.Contains(reads, stream) {
		f.wrong("stream: at most %d are allowed on one connection", s.maxStreams)
	}
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	ctx, cancel := context.WithTimeout(context.Background(), addLimit)
	defer cancel()
	info, err := s.consumer.AddStream(ctx, stream, from)
	sess.answer(c, err, func(dst []byte) []byte {
		return appendStrings(appendString(dst, "stream", stream), "ignored", info.Ignored)
	})
	return nil
}

func (s *sinkSource) removeStream(sess *session, c *command) error {
	f := c.read("stream")
	stream := f.stream()
	if err := f.err(); err != nil {
		return err
	}
	sess.begin(c, 0)
	s.consumer.RemoveStream(stream, func() {
		sess.answer(c, nil, func(dst []byte) []byte { return appendString(dst, "stream", stream) })
	})
	return nil
}
