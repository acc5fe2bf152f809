package broker

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"eventhub/internal/hub"
)

// errClosed is what a closed consumer answers.
var errClosed = &hub.Error{Code: hub.CodeUnavailable, Detail: "the consumer is closed"}

// consumer implements hub.Consumer: one member of a sink on this hub.
type consumer struct {
	sink   *sink
	spec   hub.ConsumerSpec
	info   hub.ConsumerInfo
	number uint64 // tells it from all others of this hub
	pull   bool   // it takes once; what it took belongs to no hub
	since  time.Time

	held    atomic.Int64 // events in its hands; written by the sink's run
	hungry  atomic.Bool  // it has asked for events and not got enough; written under mu
	paused  atomic.Bool
	stopped atomic.Bool  // for good
	closing atomic.Bool  // Close was called
	grace   atomic.Int64 // ns that an event may wait in queue before its lease must start anew; 0: no matter

	// owned by the sink's run
	confined    confines               // of the streams that it has read; nil where its spec has no scope
	attachments map[string]*attachment // by stream
	reserved    int                    // planned for reads that are under way
	credit      int                    // that the client gave, where Prefetch is 0
	bytes       int                    // of the events that it holds
	atRest      []func()               // to do once nothing is reserved
	tight       bool                   // an event did not fit into MaxBytes

	mu       sync.Mutex // protects the fields below
	streams  []string   // that it reads
	queue    []batch
	queued   int // events in queue
	sealed   bool
	stamping bool // the leases of what is queued are being started anew
	searched bool // everything that there was has been looked at
	notices  []*hub.Error
	gaps     []hub.Gap
	fault    error // why it has ended
	timer    *time.Timer

	ready signal // something above has changed
}

var _ hub.Consumer = (*consumer)(nil)

func (c *consumer) Info() hub.ConsumerInfo { return c.info }

func (c *consumer) Ready() <-chan struct{} { return c.ready.c }

// Held leaves out what was assigned and not taken: the client doesn't have it.
func (c *consumer) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(int(c.held.Load())-c.queued, 0)
}

func (c *consumer) Streams() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.streams)
}

func (c *consumer) Stop() { c.stopped.Store(true) }

// holder is the consumer in Redis's groups that holds its events.
func (c *consumer) holder() string {
	if c.pull {
		return pullName
	}
	return c.sink.broker.name
}

// wants says whether the consumer can take events now.
func (c *consumer) wants() bool {
	return c.hungry.Load() && !c.paused.Load() && !c.stopped.Load() && c.free() > 0
}

// free is how many more events it may be given that nothing is reserved for.
func (c *consumer) free() int {
	counts := c.pull || c.spec.Prefetch > 0 && c.sink.noAck() // events alone
	if !counts && (c.tight || c.spec.MaxBytes > 0 && c.bytes >= c.spec.MaxBytes) {
		return 0
	}
	return c.room() - c.reserved
}

// room is how many more events it may be given, whatever is reserved.
func (c *consumer) room() int {
	switch {
	case c.pull || c.spec.Prefetch > 0 && c.sink.noAck():
		return c.spec.Prefetch - c.waiting()
	case c.spec.Prefetch == 0:
		return min(c.credit, hub.MaxPrefetch-int(c.held.Load()))
	}
	return c.spec.Prefetch - int(c.held.Load())
}

func (c *consumer) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

func (c *consumer) Settle(settlement hub.Settlement, done func(hub.Settled, error)) error {
	if settlement.UpTo == nil && len(settlement.Receipts) == 0 {
		return hub.Errorf(hub.CodeInvalidRequest, "ids is empty: name at least one event")
	}
	if err := c.checkStream(settlement.Stream); err != nil {
		return err
	}
	if done == nil {
		done = func(hub.Settled, error) {}
	}
	c.sink.post(func() { c.sink.settle(c, settlement, done) })
	return nil
}

func (c *consumer) AckEach(stream string, ids []hub.ID, done func(n int, err error)) error {
	if err := c.checkStream(stream); err != nil {
		return err
	}
	c.sink.post(func() { c.sink.ackEach(c.attachments[stream], stream, ids, done) })
	return nil
}

// checkStream says whether events of a stream may be settled: those of one that the
// consumer reads, which its scope was asked about then, or of another that the sink has.
func (c *consumer) checkStream(stream string) error {
	c.mu.Lock()
	reads := slices.Contains(c.streams, stream)
	c.mu.Unlock()
	if reads {
		return nil
	}
	config := c.sink.known.Load()
	if err := maySettle(c.spec.Scope, c.spec.Sink, stream, config.Topics); err != nil {
		return err
	}
	if slices.Contains(config.Streams, stream) {
		return nil
	}
	return noStream(c.spec.Sink, stream)
}

func noStream(sink, stream string) *hub.Error {
	return hub.Errorf(hub.CodeStreamNotFound, "the sink %q does not read the stream %q", sink, stream)
}

// maxCredit bounds what a client may have asked for and not got.
const maxCredit = 1_000_000

func (c *consumer) Credit(n int) error {
	if c.spec.Prefetch > 0 {
		return hub.Errorf(hub.CodeInvalidRequest, "credit is for connections with prefetch=0; this one has prefetch=%d", c.spec.Prefetch)
	}
	if n < 1 || n > hub.MaxPrefetch {
		return hub.Errorf(hub.CodeInvalidRequest, "n must be a whole number from 1 to %d", hub.MaxPrefetch)
	}
	c.sink.post(func() { c.credit = min(c.credit+n, maxCredit) })
	return nil
}

func (c *consumer) Pause(done func()) {
	c.paused.Store(true)
	c.sink.post(func() { c.sink.returnQueued(c, done) })
}

func (c *consumer) Resume() {
	c.paused.Store(false)
	c.ready.give()
	c.sink.poke()
}

func (c *consumer) AddStream(ctx context.Context, stream, from string) (hub.ConsumerInfo, error) {
	return c.sink.broker.addStream(ctx, c, stream, from)
}

func (c *consumer) RemoveStream(stream string, done func()) {
	c.mu.Lock()
	c.streams = slices.DeleteFunc(slices.Clone(c.streams), func(name string) bool { return name == stream })
	c.mu.Unlock()
	c.sink.post(func() { c.sink.mute(c, stream, done) })
}

// tell has Take tell something.
func (c *consumer) tell(notice *hub.Error, gap *hub.Gap) {
	c.mu.Lock()
	if notice != nil {
		c.notices = append(c.notices, notice)
	}
	if gap != nil {
		c.addGap(*gap)
	}
	c.mu.Unlock()
	c.ready.give()
}

// addGap joins what was lost of one stream, so that what waits for a consumer that
// does not take it stays small. Called with mu held.
func (c *consumer) addGap(gap hub.Gap) {
	for i := range c.gaps {
		known := &c.gaps[i]
		switch {
		case known.Stream != gap.Stream || known.Reason != gap.Reason:
		case gap.Reason == hub.GapTrimmed:
			known.Events += gap.Events
			known.To = gap.To
			return
		default:
			return
		}
	}
	c.gaps = append(c.gaps, gap)
}

// fail ends the consumer: Take answers err from now on.
func (c *consumer) fail(err error) {
	c.stopped.Store(true)
	c.mu.Lock()
	if c.fault == nil {
		c.fault = err
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	c.ready.give()
}

func (c *consumer) Close(ctx context.Context, drain bool) {
	if c.closing.Swap(true) {
		return
	}
	c.fail(errClosed)
	released := make(chan struct{})
	c.sink.post(func() { c.sink.remove(c, drain, func() { close(released) }) })
	select {
	case <-released:
	case <-ctx.Done():
	}
	c.sink.broker.leave(c)
}
