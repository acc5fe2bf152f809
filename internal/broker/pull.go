package broker

import (
	"context"
	"time"

	"eventhub/internal/hub"
)

// Pull takes up to most events of a sink for a worker that is not connected,
// waiting for the first of them. The events belong to no hub: only ack_wait ends
// their leases. giveBack hands them back, at no cost of an attempt, when they
// could not be handed over. What is asked for once is one consumer of the sink
// for as long as it waits, with the rights and the turns of any other.
//
// Errors: as of Consume; CodeSinkNotFound when the sink is new and spec names no
// stream.
func (b *Broker) Pull(ctx context.Context, spec hub.ConsumerSpec, most int, wait time.Duration) (events []hub.Event, giveBack func(), err error) {
	spec.Prefetch = most
	c, err := b.consume(ctx, spec, true)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close(context.WithoutCancel(ctx), true)
	events, err = c.await(ctx, wait)
	return events, func() { c.giveBack(events) }, err
}

// await waits for events, but at least until all that there is has been looked
// at.
func (c *consumer) await(ctx context.Context, wait time.Duration) ([]hub.Event, error) {
	enough := time.NewTimer(wait)
	defer enough.Stop()
	tooLong := time.NewTimer(wait + answerTimeout)
	defer tooLong.Stop()
	over := false
	for {
		d, err := c.Take()
		if err != nil || len(d.Events) > 0 {
			return d.Events, err
		}
		c.mu.Lock()
		searched := c.searched
		c.mu.Unlock()
		if over && searched {
			return nil, nil
		}
		select {
		case <-c.ready.c:
		case <-enough.C:
			over = true
		case <-tooLong.C:
			return nil, &hub.Error{
				Code: hub.CodeUnavailable, RetryAfter: retryAfter,
				Detail: "pulling: Redis did not answer in time; nothing was handed over",
			}
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// giveBack hands events back that were pulled, without waiting for it.
func (c *consumer) giveBack(events []hub.Event) {
	byStream := map[string][]handback{}
	for _, e := range events {
		if id, err := hub.ParseID(e.ID); err == nil {
			byStream[e.Stream] = append(byStream[e.Stream], handback{id: id, attempt: e.Attempt, wait: waitFree})
		}
	}
	b, config := c.sink.broker, c.sink.known.Load()
	for stream, back := range byStream {
		keys := b.keys.of(c.spec.Sink, stream)
		o, _ := release{holder: pullName, back: back}.op(keys, c.spec.Sink, *config)
		o.done = func() {
			b.due(c.spec.Sink, []string{stream})
			b.tellDue(c.spec.Sink, stream)
		}
		_ = b.working.submit(context.Background(), keys[0], o)
	}
}
