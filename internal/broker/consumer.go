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
	sink  *sink
	spec  hub.ConsumerSpec
	info  hub.ConsumerInfo
	since time.Time

	held   atomic.Int64 // events in its hands; written by the sink's run
	hungry atomic.Bool  // it has asked for events and none has been assigned yet; written under mu
	paused atomic.Bool

	// owned by the sink's run
	attachments map[string]*attachment // by stream
	reserved    int                    // planned for reads that are under way

	mu     sync.Mutex // protects the fields below
	queue  []hub.Event
	closed bool

	ready chan struct{} // one slot: queue or closed has changed
}

var _ hub.Consumer = (*consumer)(nil)

func (c *consumer) Info() hub.ConsumerInfo { return c.info }

func (c *consumer) Held() int { return int(c.held.Load()) }

func (c *consumer) Pause() { c.paused.Store(true) }

// free is how many more events it may be given.
func (c *consumer) free() int {
	return c.spec.Prefetch - int(c.held.Load()) - c.reserved
}

// Take returns what was assigned since the last time: the dispatcher reads only
// for consumers that have asked, so nothing lies in the hub while its lease runs.
func (c *consumer) Take() ([]hub.Event, error) {
	c.mu.Lock()
	events, closed := c.queue, c.closed
	c.queue = nil
	asks := len(events) == 0 && !closed && !c.hungry.Swap(true)
	c.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	if asks {
		c.sink.poke()
	}
	return events, nil
}

func (c *consumer) Ready() <-chan struct{} { return c.ready }

// assign puts events where Take finds them.
func (c *consumer) assign(events []hub.Event) {
	c.mu.Lock()
	c.queue = append(c.queue, events...)
	c.hungry.Store(false)
	c.mu.Unlock()
	wake(c.ready)
}

func (c *consumer) Ack(stream string, ids []hub.ID, done func(hub.AckResult, error)) error {
	if len(ids) == 0 {
		return hub.Errorf(hub.CodeInvalidRequest, "ids is empty: name at least one event")
	}
	if err := c.checkStream(stream); err != nil {
		return err
	}
	c.sink.post(func() { c.sink.ack(c, stream, ids, done) })
	return nil
}

func (c *consumer) Nack(stream string, receipts []hub.Receipt, delay time.Duration, done func(hub.AckResult, error)) error {
	if err := c.checkStream(stream); err != nil {
		return err
	}
	c.sink.post(func() { c.sink.nack(c, stream, receipts, delay, done) })
	return nil
}

func (c *consumer) checkStream(stream string) error {
	if slices.Contains(c.spec.Streams, stream) || slices.Contains(c.info.Config.Streams, stream) {
		return nil
	}
	return hub.Errorf(hub.CodeStreamNotFound, "the sink %q does not read the stream %q", c.spec.Sink, stream)
}

func (c *consumer) Close(ctx context.Context, drain bool) {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		return
	}
	wake(c.ready)
	released := make(chan struct{})
	c.sink.post(func() { c.sink.remove(c, drain, func() { close(released) }) })
	select {
	case <-released:
	case <-ctx.Done():
	}
	c.sink.broker.leave(c)
}

// untaken empties the queue: events that were never handed over.
func (c *consumer) untaken() map[string]struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make(map[string]struct{}, len(c.queue))
	for i := range c.queue {
		ids[c.queue[i].Stream+" "+c.queue[i].ID] = struct{}{}
	}
	c.queue = nil
	return ids
}
