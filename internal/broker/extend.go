package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// extension lets ack_wait start anew for events.
type extension struct {
	holder   string // that must have them; "": whoever does
	note     bool   // the client asked, so Redis notes when they were handed over
	receipts []hub.Receipt
}

func (e extension) op(keys []string, sink string) (*op, []once) {
	o := &op{bytes: 48 * len(e.receipts)}
	var cmds []once
	for at := 0; at < len(e.receipts); at += ackIDs {
		args := []any{sink, e.holder, flag(e.note)}
		for _, r := range e.receipts[at:min(at+ackIDs, len(e.receipts))] {
			args = append(args, r.ID.String(), r.Attempt)
		}
		cmd := extendScript.call(keys, args...)
		cmds, o.cmds = append(cmds, cmd), append(o.cmds, redis.Cmder(cmd))
	}
	return o, cmds
}

func (e extension) answer(cmds []once) (result hub.Settled, held holders, err error) {
	held = holders{}
	i := 0
	for _, cmd := range cmds {
		answer, err := cmd.Slice()
		if err == nil && len(answer) != 2 {
			err = errAnswer
		}
		if err != nil {
			return result, held, err
		}
		results, _ := answer[0].([]any)
		for j, holder := range words(answer[1]) {
			id := e.receipts[i].ID
			switch number(results[j]) {
			case 1:
				result.Done = append(result.Done, id)
				held[holder] = append(held[holder], id.String())
			case 0:
				result.NotPending = append(result.NotPending, id)
			default:
				result.Stale = append(result.Stale, id)
			}
			i++
		}
	}
	return result, held, nil
}

// extend lets ack_wait start anew for what the consumer holds of the receipts;
// others are stale.
func (s *sink) extend(a *attachment, receipts []hub.Receipt, done func(hub.Settled, error)) {
	e := extension{holder: s.broker.name, note: true}
	var stale []hub.ID
	now := time.Now()
	for _, receipt := range unique(receipts) {
		l, held := a.lease(receipt)
		if !held {
			stale = append(stale, receipt.ID)
			continue
		}
		// From now on, so that this hub does not end the lease meanwhile.
		a.restart(receipt.ID, now, true)
		e.receipts = append(e.receipts, hub.Receipt{ID: receipt.ID, Attempt: l.attempt})
	}
	if len(e.receipts) == 0 {
		done(hub.Settled{Stale: stale}, nil)
		return
	}
	s.prolong(a, e, func(result hub.Settled, err error) {
		result.Stale = append(result.Stale, stale...)
		done(result, err)
	})
}

// prolong sends an extension of what a consumer holds, and ends what it turns out
// not to hold.
func (s *sink) prolong(a *attachment, e extension, then func(hub.Settled, error)) {
	st := a.stream
	o, cmds := e.op(st.keys, s.name)
	s.submit(st, o, func() {
		result, _, err := e.answer(cmds)
		if isNoGroup(err) {
			s.lost(st, err)
			result, err = hub.Settled{NotPending: e.ids()}, nil
		}
		if err != nil {
			s.doubts(st)
			s.standStill(st)
			then(hub.Settled{}, failure(err, "extending"))
			return
		}
		if len(result.NotPending) > 0 {
			st.lossAt = time.Now() // perhaps retention has removed them
		}
		for _, gone := range [][]hub.ID{result.NotPending, result.Stale} {
			for _, id := range gone {
				a.end(id)
			}
		}
		then(result, nil)
	})
}

func (e extension) ids() []hub.ID {
	ids := make([]hub.ID, len(e.receipts))
	for i, r := range e.receipts {
		ids[i] = r.ID
	}
	return ids
}

// extend lets ack_wait start anew for events, whoever holds them.
func (b *Broker) extend(ctx context.Context, sink string, settlement hub.Settlement) (hub.Settled, error) {
	e := extension{note: true, receipts: settlement.Receipts}
	keys := b.keys.of(sink, settlement.Stream)
	o, cmds := e.op(keys, sink)
	if err := b.working.do(ctx, keys[0], o); err != nil {
		return hub.Settled{}, failure(err, "extending")
	}
	result, held, err := e.answer(cmds)
	if isNoGroup(err) {
		return hub.Settled{NotPending: e.ids()}, nil
	}
	if err != nil {
		return hub.Settled{}, failure(err, "extending")
	}
	held.tell(b, noteExtended, sink, settlement.Stream)
	return result, nil
}

// restamp lets the leases of what a consumer has not taken yet start anew, as
// they count from when the events are handed over. What is not its any more
// leaves the queue.
func (s *sink) restamp(c *consumer) {
	queued, now := c.names(), time.Now()
	waiting := 1
	finish := func() {
		if waiting--; waiting == 0 {
			s.unqueue(c, func(e eventName) bool { return !c.holds(e) })
			c.stamped(time.Now())
		}
	}
	for _, a := range c.attachments {
		e := extension{holder: s.broker.name}
		for id, l := range a.leases {
			if _, is := queued[eventName{a.stream.name, id.String()}]; is {
				e.receipts = append(e.receipts, hub.Receipt{ID: id, Attempt: l.attempt})
				a.restart(id, now, false)
			}
		}
		if len(e.receipts) == 0 {
			continue
		}
		waiting++
		s.prolong(a, e, func(_ hub.Settled, err error) {
			if err != nil {
				// They may be others' by now, and come back if they are not; in strict
				// order nothing that was queued since may go first.
				for _, r := range e.receipts {
					a.end(r.ID)
				}
				if s.strict() {
					s.unqueued(c, a)
				}
			}
			finish()
		})
	}
	finish()
}

// holds says whether an event is in the consumer's hands. Only run calls it.
func (c *consumer) holds(e eventName) bool {
	a := c.attachments[e.stream]
	id, err := hub.ParseID(e.id)
	if a == nil || err != nil {
		return false
	}
	_, ok := a.leases[id]
	return ok
}
