package broker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"eventhub/internal/hub"
)

// sink serves one sink for the consumers that are connected to this hub. Its
// goroutine, run, owns all of its state and never waits for Redis: it submits
// operations and hears of their end through its inbox.
type sink struct {
	broker *Broker
	name   string
	config hub.SinkConfig // as the first consumer here found it
	refs   int            // consumers here or coming; protected by broker.mu

	mu    sync.Mutex // protects the field below
	inbox []func()   // what others want run to do; each consumer bounds its own

	wake chan struct{} // one slot: inbox, a bell, or a hungry consumer

	// owned by run
	consumers []*consumer
	streams   map[string]*sinkStream
	turn      int // which consumer is served first
	flying    int // operations whose end has not been heard
}

// sinkStream is a sink's place in one of its streams.
type sinkStream struct {
	name            string
	log, retry, key string // keys; key is the sink's state

	rung   atomic.Bool // set by anyone: there may be something new
	behind atomic.Bool // set by run: there is more than its consumers can take

	// owned by the sink's run
	unread      bool // the log may have events that the group has not delivered
	reading     bool
	acks        []pendingAck
	acking      bool
	repairing   bool
	reclaiming  bool
	reclaimAt   time.Time
	doubt       time.Time // when to look, whatever else: see doubts
	orphans     bool      // the answer of a read was lost
	deadlines   deadlines
	leased      int
	weight      weight // of its events
	moved       bool   // acks have come since the floor was recorded
	floorAt     time.Time
	failures    int // in a row
	notBefore   time.Time
	attachments map[*consumer]*attachment
}

func newSink(b *Broker, name string, config hub.SinkConfig) *sink {
	return &sink{
		broker: b, name: name, config: config,
		wake: make(chan struct{}, 1), streams: map[string]*sinkStream{},
	}
}

func (s *sink) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-timer.C:
		}
		s.mu.Lock()
		inbox := s.inbox
		s.inbox = nil
		s.mu.Unlock()
		for _, do := range inbox {
			do()
		}
		now := time.Now()
		for _, st := range s.streams {
			s.serve(st, now)
		}
		if len(s.consumers) == 0 && s.flying == 0 && s.broker.retire(s) {
			return
		}
		timer.Reset(s.nextLook(now))
	}
}

// post has run do something. It never blocks.
func (s *sink) post(do func()) {
	s.mu.Lock()
	s.inbox = append(s.inbox, do)
	s.mu.Unlock()
	wake(s.wake)
}

func (s *sink) poke() { wake(s.wake) }

// held is the time after which an event is free again, counted from when it was
// read. It is a little longer than ack_wait because reading comes a little
// before handing over: a lease never ends early.
func (s *sink) held() time.Duration { return s.config.AckWait + s.config.AckWait/20 }

// serve does what can be done for a stream now.
func (s *sink) serve(st *sinkStream, now time.Time) {
	if st.rung.Swap(false) {
		st.unread = true
		// Some hub will deliver what is new: look once its lease may be over.
		st.lookAt(now.Add(s.held()))
	}
	s.expire(st, now)
	s.recordFloor(st, now)
	if now.Before(st.notBefore) || st.repairing {
		s.flush(st, nil)
		return
	}
	s.findOrphans(st)
	if !st.reclaiming && !st.orphans && !now.Before(st.reclaimAt) {
		s.reclaim(st, now)
	}
	var plan []share
	if st.unread && !st.reading && !st.orphans {
		plan = s.plan(st, st.weight.limit(readEvents))
	}
	s.flush(st, plan)
	st.behind.Store(st.unread)
}

// lookAt makes sure that the next reclaim is not later than t.
func (st *sinkStream) lookAt(t time.Time) {
	if t.Before(st.reclaimAt) {
		st.reclaimAt = t
	}
}

// lookAt is for a stream by its name: who has left it may have come back.
func (s *sink) lookAt(stream string, t time.Time) {
	if st := s.streams[stream]; st != nil {
		st.lookAt(t)
	}
}

// nextLook is how long run may sleep when nobody wakes it.
func (s *sink) nextLook(now time.Time) time.Duration {
	next := now.Add(idleLook)
	for _, st := range s.streams {
		at := st.reclaimAt
		if st.reclaiming || !s.wanted(st) {
			at = next // its end, or a hungry consumer, wakes run
		}
		if at.Before(st.notBefore) {
			at = st.notBefore
		}
		if st.moved && st.floorAt.Before(at) {
			at = st.floorAt
		}
		if d, ok := st.deadlines.next(); ok && d.until.Before(at) {
			at = d.until
		}
		if at.Before(next) {
			next = at
		}
	}
	return max(next.Sub(now), time.Millisecond)
}

// wanted says whether a consumer waits for events of the stream.
func (s *sink) wanted(st *sinkStream) bool {
	for c := range st.attachments {
		if c.hungry.Load() && !c.paused.Load() && c.free() > 0 {
			return true
		}
	}
	return false
}

// expire ends the leases whose time is over: their credit is free again, and
// Redis may give the events to anyone.
func (s *sink) expire(st *sinkStream, now time.Time) {
	expired := false
	for {
		d, ok := st.deadlines.next()
		if !ok || d.until.After(now) {
			break
		}
		d.holder.end(d.id)
		wake(d.holder.consumer.ready) // it may wait until it holds nothing
		expired = true
	}
	st.deadlines.compact(st.leased)
	if !expired {
		return
	}
	st.lookAt(now)
	if !s.wanted(st) {
		s.tellDue(st)
	}
}

// add takes in a consumer; lasts are the last ids of its streams' logs.
func (s *sink) add(c *consumer, lasts map[string]hub.ID) {
	now := time.Now()
	s.consumers = append(s.consumers, c)
	for _, name := range c.spec.Streams {
		st := s.streams[name]
		if st == nil {
			k := s.broker.keys
			st = &sinkStream{
				name: name, log: k.log(name), retry: k.retry(name, s.name), key: k.sinkState(name, s.name),
				attachments: map[*consumer]*attachment{},
			}
			s.streams[name] = st
			s.broker.watch(st, s, lasts[name])
		}
		st.unread = true
		st.lookAt(now)
		if st.reclaimAt.IsZero() {
			st.reclaimAt = now
		}
		a := &attachment{consumer: c, stream: st, leases: map[hub.ID]lease{}}
		c.attachments[name], st.attachments[c] = a, a
	}
}

// fails notes that Redis could not do what was asked, and holds the stream back
// for a while that grows: an error must not become a loop.
func (s *sink) fails(st *sinkStream, doing string, err error) {
	st.failures++
	wait := min(100*time.Millisecond<<min(st.failures, 10), 2*time.Second)
	st.notBefore = time.Now().Add(wait/2 + rand.N(wait/2))
	if st.failures == 1 {
		s.broker.log.Warn("a sink cannot reach its stream, retrying", slog.String("sink", s.name),
			slog.String("stream", st.name), slog.String("doing", doing), slog.Any("error", err))
	}
}

// doubts: an answer was lost, so this hub may hold events that it knows nothing
// of. They are free once ack_wait is over.
func (s *sink) doubts(st *sinkStream) {
	st.doubt = time.Now().Add(s.held())
	st.lookAt(st.doubt)
}

// unanswered: the answer of a read or a reclaim was lost, perhaps because it was
// too much.
func (s *sink) unanswered(st *sinkStream) {
	s.doubts(st)
	st.orphans = true
	st.weight.failed()
}

func (s *sink) succeeds(st *sinkStream) {
	if st.failures > 0 {
		s.broker.log.Info("a sink reads its stream again", slog.String("sink", s.name), slog.String("stream", st.name))
		st.failures = 0
	}
}

// submit sends an operation on a stream; then runs in run once it has ended. A
// failure to queue is told to then by the commands' errors, too.
func (s *sink) submit(st *sinkStream, o *op, then func()) {
	s.flying++
	o.done = func() {
		s.post(func() {
			s.flying--
			then()
		})
	}
	if err := s.broker.working.submit(context.Background(), st.log, o); err != nil {
		o.fail(err)
		o.done()
	}
}
