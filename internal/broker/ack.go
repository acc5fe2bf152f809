package broker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// ackIDs bounds the ids of one acknowledging command.
const ackIDs = 1000

// pendingAck is an ack on its way to Redis.
type pendingAck struct {
	ids    []hub.ID
	calls  ackCalls
	done   func(hub.Settled, error)
	cmds   []once // that carry it
	grants uint64 // the stream's when its leases ended
}

// ackCalls is when acks that are one on the way to Redis were asked for, and how many.
type ackCalls struct {
	n     int
	began time.Time
}

func (c ackCalls) observe(seconds prometheus.Observer) {
	took := time.Since(c.began).Seconds()
	for range c.n {
		seconds.Observe(took)
	}
}

// ack acknowledges ids for a consumer: those it holds by one XACK shared with
// others, the rest by a script, which knows who holds them.
func (s *sink) ack(a *attachment, stream string, ids []hub.ID, done func(hub.Settled, error)) {
	held, other, again := a.endAll(ids)
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
	a.undeliver(ids)
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
		a.stream.addAck(held, 1, part)
	}
	if len(other) > 0 {
		parts++
		s.ackElsewhere(stream, other, 1, part)
	}
}

// ackEach is ack for many ids that are each a call of their own.
func (s *sink) ackEach(a *attachment, stream string, ids []hub.ID, done func(n int, err error)) {
	held, other, _ := a.endAll(ids)
	a.undeliver(ids)
	if n := len(held); n > 0 {
		a.stream.addAck(held, n, func(_ hub.Settled, err error) { done(n, err) })
	}
	if n := len(other); n > 0 {
		s.ackElsewhere(stream, other, n, func(_ hub.Settled, err error) { done(n, err) })
	}
}

// endAll takes events out of the consumer's hands. held are those of which Redis
// knows only that this hub holds them; unknown: it did not have all of the others.
// a may be nil.
func (a *attachment) endAll(ids []hub.ID) (held, other []hub.ID, unknown bool) {
	if a == nil {
		return nil, ids, false
	}
	held = ids
	for i, id := range ids {
		l, ok := a.end(id)
		if ok && !l.marked && l.attempt <= 1 {
			if other != nil {
				held = append(held, id)
			}
			continue
		}
		if other == nil {
			held = slices.Clone(ids[:i])
		}
		other = append(other, id)
		unknown = unknown || !ok
	}
	return held, other, unknown
}

// undeliver takes redeliveries that have not been handed over out of the queues. a may
// be nil.
func (a *attachment) undeliver(ids []hub.ID) {
	if a != nil && a.consumer.waiting() > 0 {
		a.stream.undeliver(ids)
	}
}

func (st *sinkStream) addAck(ids []hub.ID, calls int, done func(hub.Settled, error)) {
	st.acks = append(st.acks, pendingAck{ids: ids, calls: ackCalls{calls, time.Now()}, done: done, grants: st.grants})
}

// takeAcks adds the acks that wait to o, unless others are under way: then they
// go together in the next.
func (s *sink) takeAcks(st *sinkStream, o *op) []pendingAck {
	if st.acking || len(st.acks) == 0 {
		return nil
	}
	acks := st.acks
	st.acks, st.acking = nil, true
	batch := ackBatch{log: st.log(), group: s.name}
	for _, ack := range acks {
		batch.room = min(batch.room+len(ack.ids), ackIDs)
	}
	first := 0 // ack whose ids are the first in batch
	send := func(end int) {
		cmd := batch.command()
		o.cmds = append(o.cmds, cmd)
		o.bytes += 24 * len(cmd.Args())
		for i := first; i < end; i++ {
			acks[i].cmds = append(acks[i].cmds, cmd)
		}
	}
	for i, ack := range acks {
		if n := batch.len(); n > 0 && n+len(ack.ids) > ackIDs { // one command is one answer
			send(i)
			first = i
		}
		for _, id := range ack.ids {
			if batch.len() == ackIDs {
				send(i + 1)
				first = i
			}
			batch.add(id)
		}
	}
	if batch.len() > 0 {
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
			s.unsettled(st, ack.ids)
			ack.done(hub.Settled{}, failure(err, "acknowledging"))
			continue
		}
		st.moved = true
		s.broker.metrics.acked.Add(float64(len(ack.ids)))
		ack.calls.observe(s.broker.metrics.ackSeconds)
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
// acknowledged them, which is as good, or made them dead letters; or the group was lost,
// and what it has not handed out since was acknowledged in vain.
func (s *sink) ackMissed(st *sinkStream, ack pendingAck) {
	args := []any{"hmget", st.keys[6]}
	for _, id := range ack.ids {
		args = append(args, id.String())
	}
	dead, groups := command(args...), redis.NewXInfoGroupsCmd(context.Background(), st.log())
	s.submit(st, &op{cmds: []redis.Cmder{dead, groups}, bytes: 24 * len(args)}, func() {
		letters, err := dead.Slice()
		read, lost := lastRead(groups, s.name)
		var result hub.Settled
		for i, id := range ack.ids {
			if i < len(letters) && letters[i] != nil || id.Compare(read) > 0 {
				result.NotPending = append(result.NotPending, id)
			} else {
				result.Done = append(result.Done, id)
			}
		}
		ack.done(result, failure(cmp.Or(err, lost), "acknowledging"))
	})
}

// lastRead is the last event that a group has handed out; none where there is no such
// group, or no log.
func lastRead(groups *redis.XInfoGroupsCmd, name string) (hub.ID, error) {
	list, err := groups.Result()
	if err != nil && isReply(err) { // there is no such key
		return hub.ID{}, nil
	}
	for _, group := range list {
		if group.Name == name {
			return hub.ParseID(group.LastDeliveredID)
		}
	}
	return hub.ID{}, err
}

// ackUnwanted acknowledges events that the sink's patterns leave out.
func (s *sink) ackUnwanted(st *sinkStream, ids []hub.ID, marked bool) {
	if marked || s.streams[st.name] != st {
		s.ackElsewhere(st.name, ids, 1, func(hub.Settled, error) {})
		return
	}
	st.addAck(ids, 1, func(hub.Settled, error) {})
}

// ackElsewhere acknowledges events of which Redis knows more than that this
// consumer holds them, of so many calls.
func (s *sink) ackElsewhere(stream string, ids []hub.ID, calls int, then func(hub.Settled, error)) {
	began, config := ackCalls{calls, time.Now()}, s.config
	o, cmds := s.broker.ackOp(s.name, stream, ids)
	s.flying++
	st := s.streams[stream]
	if st != nil {
		st.settling++
	}
	o.done = func() {
		s.post(func() {
			s.flying--
			result, err := s.broker.ackAnswer(s.name, stream, ids, cmds, began, config)
			if st != nil {
				st.settling--
				if err != nil {
					s.unsettled(st, ids)
				} else {
					st.moved = true
					s.discharge(st, textsOf(result.Done))
				}
			}
			then(result, err)
		})
	}
	if err := s.broker.working.submit(context.Background(), s.broker.keys.log(stream), o); err != nil {
		o.fail(err)
		o.done()
	}
}
