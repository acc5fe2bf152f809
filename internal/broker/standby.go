package broker

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of the reads that stand by.
const (
	standbyEvents = 100 // of one read
	standbyBytes  = 256 << 10
	standbyReads  = 16 // that go out behind one batch: its callers wait for them, too
)

// standby is the next read of a sink whose consumers wait and that knows of nothing
// new. It is planned, and left where this hub's own publishers find it: it goes out
// right behind what they add. So what is published here is with the consumers here
// after one exchange with Redis, rather than two.
//
// Whose it is, op's state says: the sink withdraws what no lane has sent, and leaves it
// there again when nothing has changed. A lane may find one that was withdrawn, or that
// another lane has sent; then it has no claim to it.
type standby struct {
	stream *sinkStream
	op     *op
	plan   *plan
	noAck  bool
}

// standBy leaves a read at the stream that last had something new. A sink has one at
// most, as its consumers' credit is reserved for it, and run withdraws it before it
// does anything else.
func (s *sink) standBy() {
	st := s.latest
	switch {
	case st == nil || s.streams[st.name] != st || s.gone || s.strict():
		return
	case st.unread || st.rung.Load() || st.reads > 0 || st.searching || st.reclaiming || st.orphans || st.repairing || st.failures > 0:
		return // run has something else to do there
	case s.unpublished(st, time.Now()):
		return // the credit would be reserved for as long
	}
	most := min(st.weight.limit(standbyEvents), max(1, standbyBytes/max(st.weight.average, 1)))
	// Each gets a part of it, as nobody knows how many events there will be.
	p := s.plan(st, most, max(1, most/max(s.waiting(st), 1)))
	if p.holder != s.broker.name { // nobody waits, or one that pulls: that one's turn may be over when the read is
		p.release()
		return
	}
	if by := &s.standby; by.op == nil || by.stream != st || by.noAck != s.noAck() || !by.plan.equal(p) ||
		!by.op.state.CompareAndSwap(opAbandoned, opQueued) {
		*by = s.newStandby(st, p)
	} else {
		st.reads++
		by.plan.back = false // reserved anew
	}
	s.flying++
	st.standby.Store(s.standby.op)
}

func (s *sink) newStandby(st *sinkStream, p plan) standby {
	read := s.read(st, &p)
	o := &op{cmds: []redis.Cmder{read}, known: func() { s.broker.readBehind(st, read) }}
	o.done = func() {
		s.post(func() {
			s.flying--
			s.turn++
			s.onRead(st, read, &p)
		})
	}
	return standby{st, o, &p, s.noAck()}
}

// withdraw takes back the read that stands by, if it has not gone out.
func (s *sink) withdraw() {
	by := s.standby
	if by.op == nil || !by.op.state.CompareAndSwap(opQueued, opAbandoned) {
		return // its answer comes by the inbox, or it was withdrawn before
	}
	s.flying--
	by.stream.reads--
	by.plan.release()
}

// standbys adds to ops the reads that stand by at a stream, as far as there is room for
// them. It does not block.
func (b *Broker) standbys(ops []*op, stream string) []*op {
	w := b.watched(stream)
	if w == nil {
		return ops
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for st := range w.sinks {
		if len(ops) == standbyReads {
			break
		}
		if o := st.standby.Swap(nil); o != nil && o.state.Load() == opQueued {
			ops = append(ops, o)
		}
	}
	return ops
}

// readBehind notes what a read has got that went out behind a publish, before who
// has published rings. It does not block.
func (b *Broker) readBehind(st *sinkStream, read once) {
	entries := entriesOf(read)
	w := b.watched(st.name)
	if w == nil || len(entries) == 0 {
		return
	}
	from, err1 := entryID(entries[0])
	to, err2 := entryID(entries[len(entries)-1])
	if err1 != nil || err2 != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if watcher := w.sinks[st]; watcher != nil {
		watcher.from, watcher.to = from, to
	}
}
