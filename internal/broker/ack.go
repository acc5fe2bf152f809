package broker

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// ackIDs bounds the ids of one acknowledging command.
const ackIDs = 1000

// pendingAck is an ack on its way to Redis.
type pendingAck struct {
	ids    []hub.ID
	began  time.Time
	done   func(hub.Settled, error)
	cmds   []once // that carry it
	grants uint64 // the stream's when its leases ended
}

// ack acknowledges ids for a consumer: those it holds by one XACK shared with
// others, the rest by a script, which knows who holds them.
func (s *sink) ack(a *attachment, stream string, ids []hub.ID, done func(hub.Settled, error)) {
	held, other, again := make([]hub.ID, 0, len(ids)), []hub.ID(nil), false
	for _, id := range ids {
		if a == nil {
			other = append(other, id)
			continue
		}
		l, ok := a.end(id)
		if !ok || l.marked || l.attempt > 1 {
			again = again || !ok
			other = append(other, id)
		} else {
			held = append(held, id)
		}
	}
	if again { // an id may be named twice
		seen := make(map[hub.ID]struct{}, len(ids))
		for _, id := range held {
			seen[id] = struct{}{}
		}
		other = slices.DeleteFunc(other, func(id hub.ID) bool {
			_, twice := seen[id]
			seen[id] = struct{}{}
			return twice
		})
	}
	if a != nil && a.consumer.waiting() > 0 {
		a.stream.undeliver(ids) // a redelivery that has not been handed over
	}
	result := hub.Settled{}
	parts := 0
	part := func(part hub.Settled, err error) {
		result.Done = append(result.Done, part.Done...)
		result.NotPending = append(result.NotPending, part.NotPending...)
		if parts--; err != nil && done != nil {
			done(hub.Settled{}, err)
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
		st.acks = append(st.acks, pendingAck{ids: held, began: time.Now(), done: part, grants: st.grants})
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
				args, first = append(make([]any, 0, 64), "xack", st.log(), s.name), i
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
		missed := false
		for _, cmd := range ack.cmds {
			if err == nil {
				err = cmd.Err()
			}
			n, _ := cmd.Int()
			missed = missed || n < len(cmd.Args())-3
		}
		if err != nil {
			s.doubts(st) // they may still be pending
			ack.done(hub.Settled{}, failure(err, "acknowledging"))
			continue
		}
		st.moved = true
		s.broker.metrics.acked.Add(float64(len(ack.ids)))
		s.broker.metrics.ackSeconds.Observe(time.Since(ack.began).Seconds())
		if ack.grants != st.grants {
			s.discharge(st, textsOf(ack.ids)) // taken over before the ack came
		}
		if missed {
			s.ackMissed(st, ack)
		} else {
			ack.done(hub.Settled{Done: ack.ids}, nil)
		}
	}
}

// ackMissed answers an ack of which Redis did not find all pending: others have
// acknowledged them, which is as good, or made them dead letters.
func (s *sink) ackMissed(st *sinkStream, ack pendingAck) {
	args := []any{"hmget", st.keys[6]}
	for _, id := range ack.ids {
		args = append(args, id.String())
	}
	cmd := command(args...)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 24 * len(args)}, func() {
		letters, err := cmd.Slice()
		var result hub.Settled
		for i, id := range ack.ids {
			if i < len(letters) && letters[i] != nil {
				result.NotPending = append(result.NotPending, id)
			} else {
				result.Done = append(result.Done, id)
			}
		}
		ack.done(result, failure(err, "acknowledging"))
	})
}

// ackUnwanted acknowledges events that the sink's patterns leave out.
func (s *sink) ackUnwanted(st *sinkStream, ids []hub.ID, marked bool) {
	if marked || s.streams[st.name] != st {
		s.ackElsewhere(st.name, ids, func(hub.Settled, error) {})
		return
	}
	st.acks = append(st.acks, pendingAck{ids: ids, began: time.Now(), done: func(hub.Settled, error) {}, grants: st.grants})
}

// ackElsewhere acknowledges events of which Redis knows more than that this
// consumer holds them.
func (s *sink) ackElsewhere(stream string, ids []hub.ID, then func(hub.Settled, error)) {
	began, config := time.Now(), s.config
	o, cmds := s.broker.ackOp(s.name, stream, ids)
	s.flying++
	o.done = func() {
		s.post(func() {
			s.flying--
			result, err := s.broker.ackAnswer(s.name, stream, ids, cmds, began, config)
			if st := s.streams[stream]; st != nil && err == nil {
				st.moved = true
				s.discharge(st, textsOf(result.Done))
			}
			then(result, err)
		})
	}
	if err := s.broker.working.submit(context.Background(), s.broker.keys.log(stream), o); err != nil {
		o.fail(err)
		o.done()
	}
}
