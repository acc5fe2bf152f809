package broker

import (
	"cmp"
	"context"
	"log/slog"
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
	refs   int                            // consumers here or coming; protected by broker.mu
	known  atomic.Pointer[hub.SinkConfig] // config, for others; written by run

	mu    sync.Mutex // protects the field below
	inbox []func()   // what others want run to do; each consumer bounds its own

	wake chan struct{} // one slot: inbox, a bell, or a hungry consumer

	// owned by run
	config    hub.SinkConfig
	version   uint64      // of config
	born      string      // as settings.born
	filter    *hub.Filter // by config
	delays    string      // config.Backoff as the scripts read it
	gone      bool        // the sink was deleted
	touchAt   time.Time   // when to tell Redis that it is in use
	consumers []*consumer
	streams   map[string]*sinkStream
	turn      int         // which consumer is served first
	flying    int         // operations whose end has not been heard
	latest    *sinkStream // the one that last had something new
	standby   standby
}

// sinkStream is a sink's place in one of its streams.
type sinkStream struct {
	name string
	keys []string // what it has in Redis; the log is the first

	rung   atomic.Bool // set by anyone: there may be something new
	behind atomic.Bool // set by run: there is more than its consumers can take

	standby atomic.Pointer[op] // a read for publishers to take along; its state says whether it is still to be had

	// owned by the sink's run
	lane        *lane   // of its master, when last asked; nil: not known
	publishing  *lane   // the same for what is published
	silent      bool    // its master has not answered for a while: nothing is read
	reading     []*plan // that are under way and may be given up
	unread      bool    // the log may have events that the group has not delivered
	reads       int     // that are under way
	backlog     bool    // the last read has found all that it could take
	searching   bool    // for orphans
	acks        []pendingAck
	acking      bool
	repairing   bool
	muted       int    // attachments that are
	grants      uint64 // events that were taken over, as opposed to read
	releasing   int    // releases whose end has not been heard
	settling    int    // acks by a script of which the same is true
	looks       uint64 // reads and reclaims that were sent
	reclaiming  bool
	reclaimAt   time.Time
	doubt       time.Time // when to look, whatever else: see doubts
	turn        turn
	orphans     bool                // the answer of a read was lost
	doubted     map[hub.ID]struct{} // see unsettled
	deadlines   deadlines
	leased      int
	weight      weight    // of its events
	made        string    // stamp of the group, when last asked; "": not known
	verifyAt    time.Time // when to look at it; zero: not at all
	moved       bool      // acks have come since the floor was recorded
	floorAt     time.Time
	failures    int // in a row
	notBefore   time.Time
	attachments map[*consumer]*attachment
	lossAt      time.Time // when to ask what was lost; zero: not at all
}

func newSink(b *Broker, name string, settings settings) *sink {
	s := &sink{broker: b, name: name, wake: make(chan struct{}, 1), streams: map[string]*sinkStream{}}
	s.adopt(settings)
	return s
}

func (s *sink) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.wake:
		case <-timer.C:
		}
		s.withdraw()
		s.mu.Lock()
		inbox := s.inbox
		s.inbox = nil
		s.mu.Unlock()
		for _, do := range inbox {
			do()
		}
		now := time.Now()
		s.spare(now)
		for _, st := range s.streams {
			s.serve(st, now)
		}
		s.touch(now)
		if len(s.consumers) == 0 && s.flying == 0 && s.broker.retire(s) {
			return
		}
		sleep := s.nextLook(now) // a consumer whose credit stands by still waits
		s.standBy()
		timer.Reset(sleep)
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

// log is the stream itself.
func (st *sinkStream) log() string { return st.keys[0] }

// grace is how much longer than ack_wait a lease may last: what is handed over
// later than this after it was read is stamped anew, so that no lease ends early.
func (s *sink) grace() time.Duration { return graceOf(s.config) }

func graceOf(config hub.SinkConfig) time.Duration { return max(config.AckWait/20, 50*time.Millisecond) }

// held is the time after which this hub ends a lease, counted from when the event
// was read.
func (s *sink) held() time.Duration { return s.config.AckWait + s.grace() }

// foreign is the time after which any hub ends a lease: the one that has it goes
// first.
func (s *sink) foreign() time.Duration { return foreignOf(s.config) }

func foreignOf(config hub.SinkConfig) time.Duration { return config.AckWait + 2*graceOf(config) }

func (s *sink) noAck() bool { return s.config.Ack == hub.AckNone }

func (s *sink) strict() bool { return s.config.Order == hub.OrderStrict }

// serve does what can be done for a stream now.
func (s *sink) serve(st *sinkStream, now time.Time) {
	if st.rung.Swap(false) {
		st.unread = true
		// Some hub will deliver what is new: look once its lease may be over.
		st.lookAt(now.Add(s.foreign()))
	}
	s.expire(st, now)
	if st.muted > 0 {
		s.dropMuted(st)
	}
	s.recordFloor(st, now)
	s.askForLoss(st, now)
	s.verify(st, now)
	if now.Before(st.notBefore) || st.repairing || s.gone || st.silent {
		s.flush(st, plan{})
		return
	}
	s.findOrphans(st)
	switch {
	case s.strict():
		s.flush(st, plan{}) // acks first: strict order goes by what is pending
		s.takeTurn(st, now)
	case !st.reclaiming && !st.orphans && !now.Before(st.reclaimAt):
		s.reclaim(st, now)
		fallthrough
	default:
		s.flush(st, s.nextRead(st))
	}
	st.behind.Store(st.unread)
}

// limit bounds a read of at most so many events: after a failure it is one, as the
// credit of its consumers is reserved for as long as it is under way.
func (st *sinkStream) limit(most int) int {
	if st.failures > 0 {
		return 1
	}
	return st.weight.limit(most)
}

// lookAt makes sure that the next reclaim is not later than t.
func (st *sinkStream) lookAt(t time.Time) {
	if t.Before(st.reclaimAt) {
		st.reclaimAt = t
	}
}

// nextLook is how long run may sleep when nobody wakes it.
func (s *sink) nextLook(now time.Time) time.Duration {
	next := now.Add(idleLook)
	if len(s.consumers) > 0 && s.config.ExpiresAfter > 0 && s.touchAt.Before(next) {
		next = s.touchAt
	}
	for _, st := range s.streams {
		at := st.reclaimAt
		if st.reclaiming || st.silent || !s.wanted(st) || s.strict() && s.keeps(st, now) && !st.turn.holder.wants() {
			at = next // its end, a node that answers, or a hungry consumer wakes run
		}
		if !st.reclaiming && !st.silent && st.turn.renewAt.Before(at) && (s.works(st) || now.Before(st.turn.renewAt)) {
			at = st.turn.renewAt
		}
		if at.Before(st.notBefore) {
			at = st.notBefore
		}
		if st.moved && st.floorAt.Before(at) {
			at = st.floorAt
		}
		if !st.lossAt.IsZero() && st.lossAt.Before(at) && st.listened() {
			at = st.lossAt
		}
		if s.unverified(st) && st.verifyAt.Before(at) {
			at = st.verifyAt
		}
		if d, ok := st.deadlines.next(); ok && d.since.Add(s.held()).Before(at) {
			at = d.since.Add(s.held())
		}
		if at.Before(next) {
			next = at
		}
	}
	return max(next.Sub(now), time.Millisecond)
}

// wanted says whether a consumer waits for events of the stream.
func (s *sink) wanted(st *sinkStream) bool {
	return s.waiting(st) > 0
}

// fails notes that Redis could not do what was asked, and holds the stream back
// for a while that grows: an error must not become a loop.
func (s *sink) fails(st *sinkStream, doing string, err error) {
	now := time.Now()
	st.failures++
	st.notBefore = now.Add(backoff(st.failures, firstDelay, mostDelay))
	fault := failure(cmp.Or(err, errAnswer), doing)
	if s.broker.store.cluster && !isReply(err) { // the other streams may be elsewhere
		s.passOver(st, fault, now)
	} else {
		for c := range st.attachments {
			if c.pull {
				c.fail(fault) // its client is there to try again
			}
		}
	}
	if st.failures == 1 {
		s.broker.log.Warn("a sink cannot reach its stream, retrying", slog.String("sink", s.name),
			slog.String("stream", st.name), slog.String("doing", doing), slog.Any("error", err))
	}
}

// doubts: an answer was lost, so this hub may hold events that it knows nothing
// of. They are free once ack_wait is over.
func (s *sink) doubts(st *sinkStream) {
	st.doubt = time.Now().Add(s.foreign())
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
	l, err := s.broker.working.send(context.Background(), st.log(), o)
	if st.lane = l; err != nil {
		o.fail(err)
		o.done()
	}
}
