package ws

import "eventhub/internal/hub"

const acked = "acked" // what the answer to an ack calls the events that are

func (s *sinkSource) ack(sess *session, c *command) error {
	f := c.read("stream", "ids", "up_to")
	settlement := hub.Settlement{Verb: hub.VerbAck, Stream: s.target(f), UpTo: f.upTo()}
	ids := 0
	switch {
	case settlement.UpTo == nil:
		settlement.Receipts = f.receipts(false)
		ids = len(settlement.Receipts)
	case f.has("ids"):
		f.wrong("ids and up_to are both given: name the events in one way")
	default:
		ids = s.consumer.Held() // as many may be in the answer
	}
	return s.carryOut(sess, c, f, settlement, ids, acked)
}

func (s *sinkSource) nack(sess *session, c *command) error {
	f := c.read("stream", "ids", "delay", "reason", "dead_letter")
	settlement := hub.Settlement{
		Verb: hub.VerbNack, Stream: s.target(f), Receipts: f.receipts(true),
		Delay: f.delay(), Reason: f.reason(), DeadLetter: f.flag("dead_letter"),
	}
	return s.carryOut(sess, c, f, settlement, len(settlement.Receipts), "nacked")
}

func (s *sinkSource) extend(sess *session, c *command) error {
	f := c.read("stream", "ids")
	settlement := hub.Settlement{Verb: hub.VerbExtend, Stream: s.target(f), Receipts: f.receipts(true)}
	return s.carryOut(sess, c, f, settlement, len(settlement.Receipts), "extended")
}

// target is the stream a command means; it may be left out where there is one.
func (s *sinkSource) target(f *fields) string {
	if f.has("stream") {
		return f.stream()
	}
	streams := s.consumer.Streams()
	if len(streams) != 1 {
		f.wrong("stream is missing: this connection reads %d", len(streams))
		return ""
	}
	return streams[0]
}

// carryOut has the engine do what f was read for.
func (s *sinkSource) carryOut(sess *session, c *command, f *fields, settlement hub.Settlement, ids int, done string) error {
	if err := f.err(); err != nil {
		return err
	}
	return s.submit(sess, c, settlement, ids, done)
}

// submit hands a settlement to the engine; ids weighs it, and done is what the answer
// calls the events it worked for.
func (s *sinkSource) submit(sess *session, c *command, settlement hub.Settlement, ids int, done string) error {
	stale := settlement.Verb != hub.VerbAck
	sess.begin(c, ids)
	err := s.consumer.Settle(settlement, func(settled hub.Settled, err error) {
		sess.answer(c, err, func(dst []byte) []byte {
			dst = appendIDs(dst, done, settled.Done)
			dst = appendIDs(dst, "not_pending", settled.NotPending)
			if stale {
				dst = appendIDs(dst, "stale", settled.Stale)
			}
			return dst
		})
	})
	return sess.refused(c, err)
}
