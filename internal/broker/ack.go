package broker

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// ackIDs bounds the ids of one acknowledging command.
const ackIDs = 1000

// pendingAck is an ack on its way to Redis.
type pendingAck struct {
	ids   []hub.ID
	began time.Time
	done  func(error)
	cmds  []once // that carry it
}

// ack acknowledges ids for a consumer: those it holds by one XACK shared with
// others, the rest by a script, which knows who holds them.
func (s *sink) ack(c *consumer, stream string, ids []hub.ID, done func(hub.AckResult, error)) {
	a := c.attachments[stream]
	held, other := make([]hub.ID, 0, len(ids)), []hub.ID(nil)
	for _, id := range ids {
		if a == nil {
			other = append(other, id)
		} else if _, ok := a.end(id); ok {
			held = append(held, id)
		} else {
			other = append(other, id)
		}
	}
	result := hub.AckResult{}
	parts := 0
	part := func(part hub.AckResult, err error) {
		result.Done = append(result.Done, part.Done...)
		result.NotPending = append(result.NotPending, part.NotPending...)
		if parts--; err != nil && done != nil {
			done(hub.AckResult{}, err)
			done = nil
		}
		if parts == 0 && done != nil {
			done(result, nil)
		}
	}
	// Neither part ends before this returns: both are answered through the inbox.
	if len(held) > 0 {
		parts++
		st := a.stream
		st.acks = append(st.acks, pendingAck{ids: held, began: time.Now(), done: func(err error) {
			part(hub.AckResult{Done: held}, failure(err, "acknowledging"))
		}})
	}
	if len(other) > 0 {
		parts++
		s.ackElsewhere(stream, other, part)
	}
}

// takeAcks adds the acks that wait to o, unless others are under way: then they
// go together in the next.
func (s *sink) takeAcks(st *sinkStream, o *op) []pendingAck {
	if st.acking || len(st.acks) == 0 {
		return nil
	}
	acks := st.acks
	st.acks, st.acking = nil, true
	var args []any
	first := 0 // ack whose ids are the first in args
	send := func(end int) {
		cmd := command(args...)
		o.cmds = append(o.cmds, cmd)
		o.bytes += 24 * len(args)
		for i := first; i < end; i++ {
			acks[i].cmds = append(acks[i].cmds, cmd)
		}
		args = nil
	}
	for i, ack := range acks {
		for _, id := range ack.ids {
			if args == nil {
				args, first = append(make([]any, 0, 64), "xack", st.log, s.name), i
			}
			if args = append(args, id.String()); len(args) == 3+ackIDs {
				send(i + 1)
			}
		}
	}
	if args != nil {
		send(len(acks))
	}
	return acks
}

// acked tells the callers what Redis has answered.
func (s *sink) acked(st *sinkStream, acks []pendingAck) {
	if acks == nil {
		return
	}
	st.acking = false
	for _, ack := range acks {
		var err error
		for _, cmd := range ack.cmds {
			if err == nil {
				err = cmd.Err()
			}
		}
		if err != nil {
			s.doubts(st) // they may still be pending
		} else {
			st.moved = true
			s.broker.metrics.acked.Add(float64(len(ack.ids)))
			s.broker.metrics.ackSeconds.Observe(time.Since(ack.began).Seconds())
		}
		ack.done(err)
	}
}

// ackElsewhere acknowledges events that this consumer does not hold.
func (s *sink) ackElsewhere(stream string, ids []hub.ID, then func(hub.AckResult, error)) {
	began := time.Now()
	o, cmds := s.broker.ackOp(s.name, stream, ids)
	s.flying++
	o.done = func() {
		s.post(func() {
			s.flying--
			then(s.broker.ackAnswer(s.name, stream, ids, cmds, began))
		})
	}
	if err := s.broker.working.submit(context.Background(), s.broker.keys.log(stream), o); err != nil {
		o.fail(err)
		o.done()
	}
}

// ackOp is the script over all ids, in bounded pieces.
func (b *Broker) ackOp(sink, stream string, ids []hub.ID) (*op, []once) {
	keys := []string{b.keys.log(stream), b.keys.retry(stream, sink)}
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
func (b *Broker) ackAnswer(sink, stream string, ids []hub.ID, cmds []once, began time.Time) (hub.AckResult, error) {
	var result hub.AckResult
	holders := map[string][]string{}
	i := 0
	for _, cmd := range cmds {
		owners, err := cmd.StringSlice()
		if isNoGroup(err) {
			return result, hub.Errorf(hub.CodeStreamNotFound, "the sink %q does not read the stream %q", sink, stream)
		}
		if err != nil {
			return result, failure(err, "acknowledging")
		}
		for _, owner := range owners {
			if owner == "" {
				result.NotPending = append(result.NotPending, ids[i])
			} else {
				result.Done = append(result.Done, ids[i])
				holders[owner] = append(holders[owner], ids[i].String())
			}
			i++
		}
	}
	b.metrics.acked.Add(float64(len(result.Done)))
	b.metrics.ackSeconds.Observe(time.Since(began).Seconds())
	for owner, held := range holders {
		if owner == b.name {
			b.forget(sink, stream, held)
		} else if strings.HasPrefix(owner, hubPrefix) {
			b.notify(b.keys.direct(owner), noteAcked+" "+sink+" "+stream+" "+strings.Join(held, " "))
		}
	}
	return result, nil
}

// Ack acknowledges events of a sink, whichever hub or transport delivered them.
//
// Errors: CodeSinkNotFound, CodeStreamNotFound (the sink does not read it),
// CodeUnavailable, CodeUnconfirmed (then they may have been acknowledged; doing
// it again is harmless).
func (b *Broker) Ack(ctx context.Context, sink, stream string, ids []hub.ID) (hub.AckResult, error) {
	began := time.Now()
	key := b.keys.log(stream)
	known := command("hexists", b.keys.sink(sink), "stream:"+stream)
	exists := command("exists", b.keys.sink(sink))
	if err := b.work(ctx, b.keys.sink(sink), known, exists); err != nil {
		return hub.AckResult{}, failure(err, "acknowledging")
	}
	if n, _ := exists.Int(); n == 0 {
		return hub.AckResult{}, hub.Errorf(hub.CodeSinkNotFound, "there is no sink %q", sink)
	}
	if n, _ := known.Int(); n == 0 {
		return hub.AckResult{}, hub.Errorf(hub.CodeStreamNotFound, "the sink %q does not read the stream %q", sink, stream)
	}
	o, cmds := b.ackOp(sink, stream, ids)
	if err := b.working.do(ctx, key, o); err != nil {
		return hub.AckResult{}, failure(err, "acknowledging")
	}
	return b.ackAnswer(sink, stream, ids, cmds, began)
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
