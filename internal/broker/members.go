package broker

import (
	"time"

	"eventhub/internal/hub"
)

// add takes in a consumer of these streams.
func (s *sink) add(c *consumer, streams map[string]attached) {
	s.consumers = append(s.consumers, c)
	s.grant(c)
	for name, a := range streams {
		s.attach(c, name, a)
	}
}

// attach has a consumer read a stream from now on.
func (s *sink) attach(c *consumer, name string, how attached) {
	now := time.Now()
	st := s.streams[name]
	if st == nil {
		st = &sinkStream{
			name: name, keys: s.broker.keys.of(s.name, name), attachments: map[*consumer]*attachment{},
			doubted: s.broker.doubts.take(doubtKey{s.name, name}, now),
		}
		s.streams[name] = st
		s.latest = st
		s.broker.watch(st, s, how.last)
	}
	s.identify(st, how.made)
	st.unread = true
	st.lookAt(now)
	if st.reclaimAt.IsZero() {
		st.reclaimAt = now
	}
	if a := c.attachments[name]; a != nil {
		if a.muted {
			a.muted = false
			st.muted--
		}
		return
	}
	a := &attachment{consumer: c, stream: st, leases: map[hub.ID]lease{}, met: st.looks}
	c.attachments[name], st.attachments[c] = a, a
	if how.lost { // while nobody was connected: the stream has ended, or all keys were lost
		c.tell(nil, &hub.Gap{Stream: name, Reason: hub.GapReset})
	}
	if !c.pull && st.lossAt.IsZero() {
		st.lossAt = now // nobody may have been there to be told
	}
}

// mute has a consumer read a stream no more; it keeps what it holds.
func (s *sink) mute(c *consumer, stream string, done func()) {
	defer done()
	a := c.attachments[stream]
	if a == nil {
		return
	}
	st := a.stream
	if !a.muted {
		a.muted = true
		st.muted++
	}
	s.passTurn(st, c)
	s.returnQueuedOf(c, a)
	s.dropMuted(st)
}

// leaveIfUnused forgets a stream that no consumer here reads any more, once the
// acks that wait have gone out; whether others are under way does not matter then.
func (s *sink) leaveIfUnused(st *sinkStream) {
	if len(st.attachments) > 0 {
		return
	}
	st.acking = false
	s.flush(st, plan{})
	s.broker.unwatch(st)
	s.discard(st)
}

// dropMuted lets those go who want no more of a stream and hold nothing of it.
func (s *sink) dropMuted(st *sinkStream) {
	for c, a := range st.attachments {
		if a.muted && len(a.leases) == 0 {
			delete(c.attachments, st.name)
			delete(st.attachments, c)
			st.muted--
		}
	}
	s.leaveIfUnused(st)
}

// looked: what was sent as this look has found nothing more. When that is so of
// reading and of reclaiming, a pull need not wait for more.
func (s *sink) looked(st *sinkStream, look uint64, read, reclaimed bool) {
	for c, a := range st.attachments {
		if c.pull && a.met < look {
			a.looked(read, reclaimed)
		}
	}
}

func (a *attachment) looked(read, reclaimed bool) {
	a.read, a.reclaimed = a.read || read, a.reclaimed || reclaimed
	for _, other := range a.consumer.attachments {
		if !other.read || !other.reclaimed {
			return
		}
	}
	a.consumer.found()
}
