package broker

import (
	"errors"
	"slices"
	"time"
)

// errSilent is why a stream cannot be read.
var errSilent = errors.New("the node does not answer")

// spare keeps consumers' credit for streams whose masters answer. As long as a read is under
// way, its credit is reserved, and not there for other streams: of a master that is silent
// nothing is read, and what is under way to it has nothing reserved any longer. Should it
// bring events after all, they go to whoever has room by then, or back.
//
// With ack=none they cannot go back, so the credit stays reserved.
func (s *sink) spare(now time.Time) {
	if !s.broker.store.cluster {
		return
	}
	for _, st := range s.streams {
		if st.silent = s.unheard(st, now); !st.silent {
			continue
		}
		for _, p := range st.reading {
			p.release()
		}
		s.passOver(st, unavailable(errSilent, "reading"), now)
	}
	// What stood by goes by the lane of who has published.
	if by := &s.standby; by.op != nil && by.op.state.Load() == opSent && !by.plan.back && !by.noAck && s.unpublished(by.stream, now) {
		by.plan.release()
	}
}

// unheard says whether the master of a stream is silent, and has it asked then.
func (s *sink) unheard(st *sinkStream, now time.Time) bool {
	st.lane = s.broker.working.current(st.lane, st.log(), now)
	if st.lane == nil || !st.lane.silent(now) {
		return false
	}
	st.lane.quiet.wanted.Store(&st.keys[0])
	return true
}

// unpublished says whether what is published to a stream is not answered.
func (s *sink) unpublished(st *sinkStream, now time.Time) bool {
	if st.silent || !s.broker.store.cluster {
		return st.silent
	}
	st.publishing = s.broker.publishing.current(st.publishing, st.log(), now)
	return st.publishing != nil && st.publishing.silent(now)
}

// passOver has pulls not wait for a stream that cannot be read now, where they have another.
// They fail once no call to any of their streams can be answered yet: their clients are
// there to try again.
//
// With ack=none one waits for what it has under way, which would be lost.
func (s *sink) passOver(st *sinkStream, fault error, now time.Time) {
	for c, a := range st.attachments {
		switch {
		case !c.pull || s.noAck() && c.reserved > 0:
		case c.waiting() > 0 || c.reads(answering, now):
			a.looked(true, true)
		case !c.reads(still, now):
			c.fail(fault)
		}
	}
}

// reads says whether one of the consumer's streams can be read: its last read has not
// failed, and its master is at most as silent as this.
func (c *consumer) reads(most stillness, now time.Time) bool {
	for _, a := range c.attachments {
		st := a.stream
		if st.failures == 0 && (!st.silent || st.lane != nil && st.lane.stillness(now) <= most) {
			return true
		}
	}
	return false
}

// begins notes a read, until it has landed.
func (s *sink) begins(st *sinkStream, p *plan) {
	if s.broker.store.cluster && !s.noAck() {
		st.reading = append(st.reading, p)
	}
}

func (st *sinkStream) landed(p *plan) {
	if i := slices.Index(st.reading, p); i >= 0 {
		st.reading = slices.Delete(st.reading, i, i+1)
	}
}
