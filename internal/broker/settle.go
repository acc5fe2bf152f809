package broker

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// settle does what a consumer wants done with events.
func (s *sink) settle(c *consumer, settlement hub.Settlement, done func(hub.Settled, error)) {
	a := c.attachments[settlement.Stream]
	switch settlement.Verb {
	case hub.VerbNack:
		s.nack(c, a, settlement, done)
	case hub.VerbExtend:
		s.extend(a, settlement.Receipts, done)
	default:
		var ids []hub.ID
		if settlement.UpTo != nil {
			ids = a.upTo(*settlement.UpTo)
		} else {
			ids = make([]hub.ID, len(settlement.Receipts))
			for i, r := range settlement.Receipts {
				ids[i] = r.ID
			}
		}
		if len(ids) == 0 {
			done(hub.Settled{}, nil)
			return
		}
		s.ack(a, settlement.Stream, ids, done)
	}
}

// unique leaves out what is said twice.
func unique(receipts []hub.Receipt) []hub.Receipt {
	if len(receipts) < 2 {
		return receipts
	}
	seen := make(map[hub.ID]struct{}, len(receipts))
	list := make([]hub.Receipt, 0, len(receipts))
	for _, r := range receipts {
		if _, twice := seen[r.ID]; !twice {
			seen[r.ID] = struct{}{}
			list = append(list, r)
		}
	}
	return list
}

// upTo are the events that the consumer holds, up to this one, in order.
func (a *attachment) upTo(last hub.ID) []hub.ID {
	if a == nil {
		return nil
	}
	var ids []hub.ID
	for id := range a.leases {
		if id.Compare(last) <= 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, hub.ID.Compare)
	return ids
}

// Settle acks, nacks or extends events of a sink, whichever hub or transport
// delivered them.
//
// Errors: CodeForbidden for a stream that is out of the settlement's scope, or a sink that
// shows more of it than may be seen; CodeSinkNotFound, CodeStreamNotFound (the sink does not read it),
// CodeUnavailable, CodeUnconfirmed (then it may have been done; doing it again is
// harmless).
func (b *Broker) Settle(ctx context.Context, sink string, settlement hub.Settlement) (hub.Settled, error) {
	settlement.Receipts = unique(settlement.Receipts)
	confined, err := confine(settlement.Scope, []string{settlement.Stream})
	if err != nil {
		return hub.Settled{}, err
	}
	stored, err := b.streamOf(ctx, sink, settlement.Stream)
	if err != nil {
		return hub.Settled{}, err
	}
	if err := confined.check(sink, stored.config.Topics); err != nil {
		return hub.Settled{}, err
	}
	switch {
	case settlement.Verb == hub.VerbNack:
		settled, err := b.nack(ctx, sink, settlement, stored.config)
		b.perhapsLost(sink, settlement.Stream, settled)
		return settled, err
	case settlement.Verb == hub.VerbExtend:
		settled, err := b.extend(ctx, sink, settlement)
		b.perhapsLost(sink, settlement.Stream, settled)
		return settled, err
	case settlement.UpTo != nil:
		return b.ackUpTo(ctx, sink, settlement.Stream, *settlement.UpTo, stored.config)
	}
	ids := make([]hub.ID, len(settlement.Receipts))
	for i, r := range settlement.Receipts {
		ids[i] = r.ID
	}
	return b.ack(ctx, sink, settlement.Stream, ids, stored.config)
}

// holders collects who held which events.
type holders map[string][]string

// tell has those hubs know what became of events that they held. note is the
// word for it.
func (h holders) tell(b *Broker, note, sink, stream string) {
	for holder, ids := range h {
		switch {
		case holder == b.name && note == noteEnded:
			b.ended(sink, stream, ids)
		case holder == b.name:
			b.extended(sink, stream, ids)
		case strings.HasPrefix(holder, hubPrefix):
			b.notify(b.keys.direct(holder), note+" "+sink+" "+stream+" "+strings.Join(ids, " "))
		}
	}
}

// ended ends the leases of events that others have settled; what has not been
// handed over stays here.
func (b *Broker) ended(name, stream string, ids []string) {
	b.at(name, stream, func(s *sink, st *sinkStream) {
		st.moved = true
		if s.strict() {
			st.orphans = true // what was taken back comes again as the same attempt: Redis tells them apart
		} else {
			s.discharge(st, ids)
		}
		for c := range st.attachments {
			c.ready.give() // it may wait until it holds nothing
		}
	})
}

// extended lets leases start anew.
func (b *Broker) extended(name, stream string, ids []string) {
	b.at(name, stream, func(_ *sink, st *sinkStream) {
		now := time.Now()
		for _, text := range ids {
			if id, err := hub.ParseID(text); err == nil {
				for _, a := range st.attachments {
					a.restart(id, now, true)
				}
			}
		}
	})
}

// work runs commands on the engine's lane; the error is the first of any.
func (b *Broker) work(ctx context.Context, key string, cmds ...redis.Cmder) error {
	if err := b.working.do(ctx, key, &op{cmds: cmds, bytes: 256 * len(cmds)}); err != nil {
		return err
	}
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil {
			return err
		}
	}
	return nil
}
