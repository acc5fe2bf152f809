package ws

import (
	"sync"

	"eventhub/internal/hub"
)

// crowd is acks of one event each that came together. The engine is told of them at
// once, before more is read from the connection: that saves each of them a closure
// and a way through the sink's inbox. Each is a command all the same, with its weight
// and its answer.
type crowd struct {
	mu    sync.Mutex // protects the fields below: the close handshake reads, too
	named string     // the stream, as the client names it
	means string     // the stream
	ids   []hub.ID
}

// target is the stream of the crowd, if that is named so; "" where it is not, or
// there is no crowd.
func (c *crowd) target(named []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) == 0 || c.named != string(named) {
		return ""
	}
	return c.means
}

// add is for events of the crowd's stream, if there is a crowd.
func (c *crowd) add(named []byte, means string, id hub.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ids) == 0 {
		c.named, c.means = string(named), means
		c.ids = make([]hub.ID, 0, 16)
	}
	c.ids = append(c.ids, id)
}

func (c *crowd) take() (stream string, ids []hub.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids, c.ids = c.ids, nil
	return c.means, ids
}

// gather takes a frame that is a plain ack, and does it, at the latest in the next
// settle. Other frames it leaves alone.
func (s *sinkSource) gather(sess *session, frame []byte) bool {
	named, list, ok := plainAck(frame, s.receipt[:0])
	if !ok {
		return false
	}
	stream := s.crowd.target(named)
	if stream == "" || len(list) > 1 {
		s.settle(sess)
		if stream = s.targetNamed(string(named)); stream == "" {
			return false
		}
	}
	sess.server.metrics.acks.Inc()
	if !sess.due.take() && !sess.pace() {
		return true // it comes too late
	}
	if len(list) > 1 {
		c := &command{kind: kindAck}
		settlement := hub.Settlement{Verb: hub.VerbAck, Stream: stream, Receipts: list}
		if err := s.submit(sess, c, settlement, len(list), acked); err != nil {
			sess.reply(errorFrame(nil, hub.AsError(err)))
		}
		return true
	}
	if !sess.tryBegin(1) {
		s.settle(sess) // it waits for them, among others
		sess.begin(&command{}, 1)
	}
	s.crowd.add(named, stream, list[0].ID)
	return true
}

// settle has the engine do what was gathered. It does not block.
func (s *sinkSource) settle(sess *session) {
	stream, ids := s.crowd.take()
	if len(ids) == 0 {
		return
	}
	n := len(ids)
	err := s.consumer.AckEach(stream, ids, sess.answerAll)
	if err != nil {
		sess.answerAll(n, err)
	}
}

// targetNamed is target for a name as it is given, "" where that is wrong.
func (s *sinkSource) targetNamed(name string) string {
	if name == "" {
		if streams := s.consumer.Streams(); len(streams) == 1 {
			return streams[0]
		}
	} else if hub.CheckName("stream", name) == nil {
		return name
	}
	return ""
}
