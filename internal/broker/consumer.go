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
	queue  []batch
	queued int // events in queue
	closed bool

	ready chan struct{} // one slot: queue or closed has changed
}

var _ hub.Consumer = (*consumer)(nil)

func (c *consumer) Info() hub.ConsumerInfo { return c.info }

// Held leaves out what was assigned and not taken: the client doesn't have it.
func (c *consumer) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(int(c.held.Load())-c.queued, 0)
}

func (c *consumer) Pause() { c.paused.Store(true) }

// free is how many more events it may be given.
func (c *consumer) free() int {
	return c.spec.Prefetch - int(c.held.Load()) - c.reserved
}

// Take returns what was assigned since the last time: the dispatcher reads only
// for consumers that have asked, so nothing lies in the hub while its lease runs.
func (c *consumer) Take() ([]hub.Event, error) {
	c.mu.Lock()
	events, closed := c.unqueue(time.Now()), c.closed
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

// unqueue takes about a frame out of the queue: what stays there was handed to
// nobody when the connection ends. What has lain there until its lease was over
// is others' by now.
func (c *consumer) unqueue(now time.Time) []hub.Event {
	var events []hub.Event
	for bytes := 0; len(c.queue) > 0 && bytes < shareBytes; {
		b := &c.queue[0]
		n := 0
		if now.Before(b.until) {
			for ; n < len(b.events) && bytes < shareBytes; n++ {
				bytes += entrySize(&b.events[n])
			}
			if events == nil {
				events = b.events[:n:n]
			} else {
				events = append(events, b.events[:n]...)
			}
		} else {
			n = len(b.events)
		}
		c.queued -= n
		if b.events = b.events[n:]; len(b.events) == 0 {
			c.queue[0] = batch{}
			c.queue = c.queue[1:]
		}
	}
	return events
}

func (c *consumer) Ready() <-chan struct{} { return c.ready }

// batch is events that were assigned together, and when their leases end.
type batch struct {
	events []hub.Event
	until  time.Time
}

// assign puts events where Take finds them.
func (c *consumer) assign(b batch) {
	c.mu.Lock()
	c.queue = append(c.queue, b)
	c.queued += len(b.events)
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
	ids := make(map[string]struct{}, c.queued)
	for _, b := range c.queue {
		for i := range b.events {
			ids[b.events[i].Stream+" "+b.events[i].ID] = struct{}{}
		}
	}
	c.queue, c.queued = nil, 0
	return ids
}
