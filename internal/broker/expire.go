package broker

import (
	"time"

	"eventhub/internal/hub"
)

// expire ends the leases whose time is over: their credit is free again, and
// their events are delivered to anyone. What still waits here to be taken was
// handed to nobody, so its time starts anew.
func (s *sink) expire(st *sinkStream, now time.Time) {
	over := map[*attachment][]handback{}
	queued := map[*consumer]map[eventName]struct{}{}
	for {
		d, ok := st.deadlines.next()
		if !ok || d.since.Add(s.held()).After(now) {
			break
		}
		c := d.holder.consumer
		names, known := queued[c]
		if !known {
			names = c.names()
			queued[c] = names
		}
		if _, waits := names[eventName{st.name, d.id.String()}]; waits {
			d.holder.restart(d.id, now, false) // as restamp does in Redis
			continue
		}
		l, _ := d.holder.end(d.id)
		over[d.holder] = append(over[d.holder], handback{id: d.id, attempt: l.attempt, wait: waitBackoff})
	}
	st.deadlines.compact(st.leased)
	for c, names := range queued {
		if len(names) > 0 {
			s.restamp(c)
		}
	}
	for a, back := range over {
		s.release(st, release{holder: s.broker.name, reason: reasonTimeout, label: a.consumer.spec.Label, back: back}, nil)
		if len(a.leases) == 0 { // else nothing may overtake what it still holds
			s.passTurn(st, a.consumer)
		}
		a.consumer.ready.give() // it may wait until it holds nothing
	}
}

// remove lets a consumer go: the acks that it sent go out first, then what it
// still holds is handed back. then runs when Redis has answered.
func (s *sink) remove(c *consumer, drain bool, then func()) {
	untaken := c.names()
	waiting := 1
	finish := func(hub.Settled, error) {
		if waiting--; waiting == 0 {
			then()
		}
	}
	for i, other := range s.consumers {
		if other == c {
			s.consumers = append(s.consumers[:i:i], s.consumers[i+1:]...)
			break
		}
	}
	if c.pull {
		c.giveBack(c.unclaimed())
	}
	for _, a := range c.attachments {
		st := a.stream
		delete(st.attachments, c)
		// The acks that wait go first, and in the same lane; whether others are
		// under way does not matter now.
		st.acking = false
		s.flush(st, plan{})
		if back := a.handbacks(drain, untaken); len(back) > 0 {
			waiting++
			s.release(st, release{holder: s.broker.name, reason: reasonClosed, label: c.spec.Label, all: true, back: back}, finish)
		}
		s.passTurn(st, c)
		if a.muted {
			st.muted--
		}
		s.leaveIfUnused(st)
	}
	clear(c.attachments)
	finish(hub.Settled{}, nil)
}

// handbacks ends all that the consumer holds of the stream. What it did not take
// was not delivered, and a drain is not its fault.
func (a *attachment) handbacks(drain bool, untaken map[eventName]struct{}) []handback {
	var back []handback
	for id, l := range a.leases {
		h := handback{id: id, attempt: l.attempt, wait: waitClose}
		if _, unseen := untaken[eventName{a.stream.name, id.String()}]; drain || unseen {
			h.wait = waitFree
		}
		back = append(back, h)
		a.end(id)
	}
	return back
}

// returnQueued hands back what a consumer has not taken, as it wants no more for
// now.
func (s *sink) returnQueued(c *consumer, done func()) {
	waiting := 1
	finish := func(hub.Settled, error) {
		if waiting--; waiting > 0 {
			return
		}
		if c.reserved > 0 { // a read for it is under way
			c.atRest = append(c.atRest, done)
		} else {
			done()
		}
	}
	for _, a := range c.attachments {
		if back := s.unqueued(c, a); len(back) > 0 {
			waiting++
			s.release(a.stream, release{holder: c.holder(), back: back}, finish)
		}
	}
	finish(hub.Settled{}, nil)
}

// returnQueuedOf does so for one stream.
func (s *sink) returnQueuedOf(c *consumer, a *attachment) {
	if back := s.unqueued(c, a); len(back) > 0 {
		s.release(a.stream, release{holder: c.holder(), back: back}, nil)
	}
}

// unqueued takes what a consumer has not taken out of its queue and hands.
func (s *sink) unqueued(c *consumer, a *attachment) []handback {
	var back []handback
	s.unqueue(c, func(e eventName) bool {
		id, err := hub.ParseID(e.id)
		if err != nil || e.stream != a.stream.name {
			return false
		}
		l, held := a.end(id)
		if held {
			back = append(back, handback{id: id, attempt: l.attempt, wait: waitFree})
		}
		return held
	})
	return back
}

// unqueue takes events out of a consumer's queue. Where its client gives credit,
// it gave it for events that it gets.
func (s *sink) unqueue(c *consumer, gone func(eventName) bool) {
	if n := c.drop(gone); c.spec.Prefetch == 0 {
		c.credit += n
	}
}

// discard forgets a stream that no consumer here reads any more.
func (s *sink) discard(st *sinkStream) {
	delete(s.streams, st.name)
	s.leaveDoubts(st.name, st.doubted)
	// Others may have to look in its place, for what was handed back and is due
	// later.
	s.tellDue(st)
}

// tellDue tells other hubs that something of the stream can be claimed, now or
// later.
func (s *sink) tellDue(st *sinkStream) { s.broker.tellDue(s.name, st.name) }

// announce has all hubs look whether something of the stream can be claimed.
func (b *Broker) announce(sink, stream string) {
	b.due(sink, []string{stream})
	b.tellDue(sink, stream)
}

func (b *Broker) tellDue(sink, stream string) {
	b.tell(bellDue, sink, stream)
}
