package ws

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// fakeBroker has one consumer, one reader and one subscription.
type fakeBroker struct {
	consumer     *fakeConsumer
	reader       *fakeReader
	subscription *fakeSubscription
	spec         hub.ConsumerSpec // of the consumer; set before the socket is there
	read         hub.ReaderSpec   // likewise
	listen       hub.BroadcastSpec

	publish   func(ctx context.Context, p hub.Publication) (hub.Published, error)
	broadcast func(ctx context.Context, channel string, events []hub.Event) ([]string, error)
}

func (b *fakeBroker) Check(context.Context, hub.ConsumerSpec) error { return nil }

func (b *fakeBroker) Consume(_ context.Context, spec hub.ConsumerSpec) (hub.Consumer, error) {
	b.spec = spec
	b.consumer.wake = spec.Wake
	b.consumer.streams = spec.Streams
	return b.consumer, nil
}

func (b *fakeBroker) Subscribe(_ context.Context, spec hub.BroadcastSpec) (hub.Subscription, error) {
	if b.subscription == nil {
		return nil, hub.Errorf(hub.CodeUnavailable, "there is no broadcast here")
	}
	b.subscription.wake, spec.Wake = spec.Wake, nil
	b.listen = spec
	b.subscription.channels = spec.Channels
	return b.subscription, nil
}

func (b *fakeBroker) Read(_ context.Context, spec hub.ReaderSpec) (hub.Reader, error) {
	if b.reader == nil {
		return nil, hub.Errorf(hub.CodeStreamNotFound, "there is no stream here")
	}
	b.reader.wake, spec.Wake = spec.Wake, nil
	b.read = spec
	b.reader.streams = spec.Streams
	return b.reader, nil
}

func (b *fakeBroker) Publish(ctx context.Context, p hub.Publication) (hub.Published, error) {
	return b.publish(ctx, p)
}

func (b *fakeBroker) Broadcast(ctx context.Context, channel string, events []hub.Event) ([]string, error) {
	return b.broadcast(ctx, channel, events)
}

// fakeConsumer writes down what it is told, and says what a test has it say.
type fakeConsumer struct {
	info   hub.ConsumerInfo
	closed chan bool // gets the drain of Close

	mu      sync.Mutex // protects the fields below
	wake    func()
	streams []string
	next    []hub.Delivery
	ended   *hub.Error // of Take, once next is empty
	calls   []string
	held    int
	refuse  error // of whatever can fail at once
	fail    error // what done is told
	settled hub.Settled
	pauses  []func() // done, when later is set
	later   bool
}

func newFakeConsumer() *fakeConsumer {
	return &fakeConsumer{closed: make(chan bool, 1)}
}

func (c *fakeConsumer) called(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
}

// heard returns what was called since the last time.
func (c *fakeConsumer) heard() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

func (c *fakeConsumer) set(change func()) {
	c.mu.Lock()
	change()
	c.mu.Unlock()
	c.wake()
}

func (c *fakeConsumer) Info() hub.ConsumerInfo { return c.info }

func (c *fakeConsumer) Take() (d hub.Delivery, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.next) > 0 {
		d, c.next = c.next[0], c.next[1:]
		return d, nil
	}
	if c.ended != nil {
		return d, c.ended
	}
	return d, nil
}

func (c *fakeConsumer) Ready() <-chan struct{} { return nil }

func (c *fakeConsumer) Settle(s hub.Settlement, done func(hub.Settled, error)) error {
	upTo, delay := "", ""
	if s.UpTo != nil {
		upTo = " up to " + s.UpTo.String()
	}
	if s.Delay != nil {
		delay = " in " + s.Delay.String()
	}
	c.called("%s %s%s%s %q %t", []string{"ack", "nack", "extend"}[s.Verb], s.Stream, receiptsText(s.Receipts), upTo+delay, s.Reason, s.DeadLetter)
	c.mu.Lock()
	refuse, fail, settled := c.refuse, c.fail, c.settled
	c.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	done(settled, fail)
	return nil
}

func (c *fakeConsumer) AckEach(stream string, ids []hub.ID, done func(int, error)) error {
	for _, id := range ids {
		s := hub.Settlement{Verb: hub.VerbAck, Stream: stream, Receipts: []hub.Receipt{{ID: id}}}
		if err := c.Settle(s, func(_ hub.Settled, err error) { done(1, err) }); err != nil {
			return err
		}
	}
	return nil
}

func receiptsText(list []hub.Receipt) (text string) {
	for _, r := range list {
		text += " " + r.ID.String()
		if r.Attempt > 0 {
			text += fmt.Sprintf("@%d", r.Attempt)
		}
	}
	return text
}

func (c *fakeConsumer) AddStream(ctx context.Context, stream, from string) (hub.ConsumerInfo, error) {
	deadline, ok := ctx.Deadline()
	c.called("add %s from %q, bounded %t", stream, from, ok && time.Until(deadline) <= addLimit)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return hub.ConsumerInfo{}, c.refuse
	}
	if !slices.Contains(c.streams, stream) {
		c.streams = append(slices.Clone(c.streams), stream)
	}
	return hub.ConsumerInfo{Ignored: []string{"from"}}, nil
}

func (c *fakeConsumer) RemoveStream(stream string, done func()) {
	c.called("remove %s", stream)
	c.mu.Lock()
	c.streams = slices.DeleteFunc(slices.Clone(c.streams), func(s string) bool { return s == stream })
	c.mu.Unlock()
	done()
}

func (c *fakeConsumer) Streams() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams
}

func (c *fakeConsumer) Credit(n int) error {
	c.called("credit %d", n)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refuse
}

func (c *fakeConsumer) Pause(done func()) {
	c.called("pause")
	c.mu.Lock()
	later := c.later
	if later {
		c.pauses = append(c.pauses, done)
	}
	c.mu.Unlock()
	if !later {
		done()
	}
}

func (c *fakeConsumer) Resume() { c.called("resume") }
func (c *fakeConsumer) Stop()   { c.called("stop") }

func (c *fakeConsumer) Held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

func (c *fakeConsumer) Close(_ context.Context, drain bool) { c.closed <- drain }
