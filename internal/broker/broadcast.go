package broker

import (
	"context"
	"fmt"
	"time"

	"eventhub/internal/hub"
)

// Broadcast sends events to the live subscribers of a channel, on every hub, in
// order, and returns their ids once Redis has passed them on. Nothing is kept.
//
// Errors: as Publish.
func (b *Broker) Broadcast(ctx context.Context, channel string, events []hub.Event) ([]string, error) {
	began := time.Now()
	key := b.keys.live(channel)
	line := stamp{hub: b.name}.append(nil)
	o, ids := &op{}, make([]string, len(events))
	messages := make([][]byte, len(events))
	for i := range events {
		e := events[i]
		e.ID = fmt.Sprintf("%s-%d", b.name[len(hubPrefix):], b.sequence.Add(1))
		e.Channel, e.Time = channel, began
		messages[i] = e.AppendJSON(append(make([]byte, 0, len(line)+len(e.Data)+256), line...))
		o.cmds = append(o.cmds, command("publish", key, messages[i]))
		o.bytes += len(messages[i])
		ids[i] = e.ID
	}
	b.number(o, channel, messages)
	if err := b.messages.do(ctx, key, o); err != nil {
		return nil, failure(err, "broadcasting")
	}
	for _, cmd := range o.cmds {
		if err := cmd.Err(); err != nil {
			return nil, failure(err, "broadcasting")
		}
	}
	b.metrics.broadcast.Add(float64(len(events)))
	b.metrics.publishSeconds.Observe(time.Since(began).Seconds())
	return ids, nil
}

// number has the messages of an op numbered when it is sent, and their numbers taken
// back if it is not.
func (b *Broker) number(o *op, channel string, messages [][]byte) {
	var first stamp
	o.begin = func() {
		first = b.numbers.next(channel, len(messages), time.Now())
		s := first
		s.hub = b.name
		for _, message := range messages {
			s.set(message)
			if s.n > 0 {
				s.n++
			}
		}
	}
	o.unsent = func() {
		if first.n > 0 {
			b.numbers.retract(channel, first, len(messages))
		}
	}
}
