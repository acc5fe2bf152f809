package broker

import (
	"context"
	"time"

	"eventhub/internal/hub"
)

// ackOp is the script over all ids, in bounded pieces.
func (b *Broker) ackOp(sink, stream string, ids []hub.ID) (*op, []once) {
	keys := b.keys.of(sink, stream)
	o := &op{bytes: 24 * len(ids)}
	var cmds []once
	for at := 0; at < len(ids); at += ackIDs {
		args := []any{sink}
		for _, id := range ids[at:min(at+ackIDs, len(ids))] {
			args = append(args, id.String())
		}
		cmd := ackScript.call(keys, args...)
		cmds, o.cmds = append(cmds, cmd), append(o.cmds, cmd)
	}
	return o, cmds
}

// ackAnswer reads the script's answers, and tells those who held the events.
func (b *Broker) ackAnswer(sink, stream string, ids []hub.ID, cmds []once, calls ackCalls, config hub.SinkConfig) (hub.Settled, error) {
	var result hub.Settled
	held := holders{}
	var failed error
	i := 0
	for _, cmd := range cmds {
		owners, err := cmd.StringSlice()
		if isNoGroup(err) {
			result.NotPending = append(result.NotPending, ids[i:]...) // it is made again
			break
		}
		if err != nil { // what the others did is done
			failed = err
			i += ackIDs
			continue
		}
		for _, owner := range owners {
			if owner == "" {
				result.NotPending = append(result.NotPending, ids[i])
			} else {
				result.Done = append(result.Done, ids[i])
				held[owner] = append(held[owner], ids[i].String())
			}
			i++
		}
	}
	b.ackDone(sink, stream, held, len(result.Done), calls, config)
	return result, failure(failed, "acknowledging")
}

func (b *Broker) ackDone(sink, stream string, held holders, n int, calls ackCalls, config hub.SinkConfig) {
	b.metrics.acked.Add(float64(n))
	calls.observe(b.metrics.ackSeconds)
	held.tell(b, noteEnded, sink, stream)
	if len(held[pullName]) > 0 && config.Order == hub.OrderStrict {
		b.announce(sink, stream) // others wait for the turn
	}
}

// ack acknowledges events, whoever holds them.
func (b *Broker) ack(ctx context.Context, sink, stream string, ids []hub.ID, config hub.SinkConfig) (hub.Settled, error) {
	began := time.Now()
	o, cmds := b.ackOp(sink, stream, ids)
	if err := b.working.do(ctx, b.keys.log(stream), o); err != nil {
		return hub.Settled{}, failure(err, "acknowledging")
	}
	return b.ackAnswer(sink, stream, ids, cmds, ackCalls{1, began}, config)
}

// ackUpTo acknowledges all that is pending up to an event.
func (b *Broker) ackUpTo(ctx context.Context, sink, stream string, last hub.ID, config hub.SinkConfig) (hub.Settled, error) {
	var result hub.Settled
	began := time.Now()
	keys := b.keys.of(sink, stream)
	held := holders{}
	for {
		cmd := ackUpToScript.call(keys, sink, last.String(), ackIDs)
		if err := b.work(ctx, keys[0], cmd); err != nil && !isNoGroup(err) {
			return result, failure(err, "acknowledging")
		}
		answer, _ := cmd.Slice()
		if len(answer) != 2 {
			return result, nil
		}
		texts, owners := words(answer[0]), words(answer[1])
		for i, text := range texts {
			id, err := hub.ParseID(text)
			if err != nil {
				return result, failure(err, "acknowledging")
			}
			result.Done = append(result.Done, id)
			held[owners[i]] = append(held[owners[i]], text)
		}
		if len(texts) < ackIDs {
			break
		}
	}
	b.ackDone(sink, stream, held, len(result.Done), ackCalls{1, began}, config)
	return result, nil
}
