package broker

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// The reasons of dead letters whose client gave none.
const (
	reasonNacked  = "nacked"
	reasonTimeout = "ack_timeout"
	reasonClosed  = "connection_closed"

	reasonUnsettled = "unsettled" // an ack or a nack of it did not come to Redis
)

// How long an event that is handed back waits; otherwise so many ms. See
// scripts/prelude.lua.
const (
	waitBackoff = "backoff"
	waitClose   = "close"
	waitFree    = "free" // it was not really delivered: no attempt, no delay
	waitDead    = "dead" // for ever: it is a dead letter
)

// notPending stands for the attempt of an event that was read with ack=none.
const notPending = -1

// handback is one event on its way back to nobody.
type handback struct {
	id      hub.ID
	attempt int // 0: whichever
	wait    string
}

// release is why events are handed back, and by whom.
type release struct {
	holder string // that must have them; "": whoever does
	reason string
	label  string // of the last consumer; "": the holder
	all    bool   // it is all that the consumer holds, so nothing is behind it
	back   []handback
}

// released is what Redis says of a release.
type released struct {
	result  hub.Settled
	waiting bool   // some of them are delivered again
	first   hub.ID // of those
	held    holders
	taken   []string // of those behind, in strict order
	due     int64    // ms until the next waiting event is, -1 for none
}

// op makes the operation, in bounded pieces.
func (r release) op(keys []string, sink string, config hub.SinkConfig) (*op, []once) {
	o := &op{bytes: 48 * len(r.back)}
	var cmds []once
	for at := 0; at < len(r.back); at += ackIDs {
		args := []any{
			sink, r.holder, r.reason, r.label, config.MaxDeliveries, delaysOf(config.Backoff),
			flag(config.Order == hub.OrderStrict && !r.all),
		}
		for _, h := range r.back[at:min(at+ackIDs, len(r.back))] {
			args = append(args, h.id.String(), h.attempt, h.wait)
		}
		cmd := releaseScript.call(keys, args...)
		cmds, o.cmds = append(cmds, cmd), append(o.cmds, redis.Cmder(cmd))
	}
	return o, cmds
}

// answer reads what Redis has answered.
func (r release) answer(cmds []once) (done released, failed error) {
	done = released{held: holders{}, due: -1}
	i := 0
	for _, cmd := range cmds {
		answer, err := cmd.Slice()
		if err == nil && len(answer) != 5 {
			err = errAnswer
		}
		if err != nil { // what the others did is done
			failed = err
			i += ackIDs
			continue
		}
		results, _ := answer[0].([]any)
		attempts, _ := answer[4].([]any)
		for j, holder := range words(answer[1]) {
			id := r.back[i].id
			switch outcome := number(results[j]); outcome {
			case 1, 2:
				done.result.Done = append(done.result.Done, id)
				if outcome == 1 && (!done.waiting || id.Compare(done.first) < 0) {
					done.waiting, done.first = true, id
				}
				done.held[holder] = append(done.held[holder], id.String()+"/"+strconv.FormatInt(number(attempts[j]), 10))
			case 0:
				done.result.NotPending = append(done.result.NotPending, id)
			default:
				done.result.Stale = append(done.result.Stale, id)
			}
			i++
		}
		if taken := words(answer[2]); len(taken) > 0 {
			done.held[taken[0]] = append(done.held[taken[0]], taken[1:]...)
			done.taken = append(done.taken, taken[1:]...)
		}
		done.due = number(answer[3])
	}
	return done, failed
}

// release hands events of this hub back to Redis, whence anyone can claim them
// when they are due. On failure they stay pending, and come back after ack_wait.
func (s *sink) release(st *sinkStream, r release, then func(hub.Settled, error)) {
	if then == nil {
		then = func(hub.Settled, error) {}
	}
	o, cmds := r.op(st.keys, s.name, s.config)
	st.releasing++
	s.submit(st, o, func() {
		st.releasing--
		done, err := r.answer(cmds)
		if isNoGroup(err) {
			s.lost(st, err)
			then(hub.Settled{NotPending: idsOf(r.back)}, nil)
			return
		}
		s.discharge(st, done.taken)
		s.discharge(st, textsOf(done.result.Done))
		if s.strict() && !r.all && r.holder == s.broker.name {
			s.holdBack(st, done)
		}
		s.due(st, done)
		if err != nil {
			s.unsettled(st, r.seen())
			s.standStill(st)
			then(hub.Settled{}, failure(err, "handing events back"))
			return
		}
		if len(done.result.NotPending) > 0 {
			st.lossAt = time.Now() // perhaps retention has removed them
		}
		then(done.result, nil)
	})
}

// holdBack has nothing handed over that strict order has taken back. Another hub may have
// done so before, for an event that it has settled, and its word be still on the way: then
// Redis names nothing that was taken back now, or says that what failed is not this hub's.
func (s *sink) holdBack(st *sinkStream, done released) {
	if done.waiting {
		s.discharge(st, st.beyond(done.first))
	}
	if len(done.result.Stale) > 0 {
		s.standStill(st)
	}
}

// seen are those of the events that somebody was given.
func (r release) seen() (ids []hub.ID) {
	for _, h := range r.back {
		if h.wait != waitFree {
			ids = append(ids, h.id)
		}
	}
	return ids
}

// due has this hub, or another, look in time for what waits now.
func (s *sink) due(st *sinkStream, done released) {
	if done.due >= 0 {
		s.lookIn(st.name, done.due)
	}
	if done.waiting && !s.wanted(st) {
		s.tellDue(st)
	}
}

func textsOf(ids []hub.ID) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return texts
}

func idsOf(back []handback) []hub.ID {
	ids := make([]hub.ID, len(back))
	for i, h := range back {
		ids[i] = h.id
	}
	return ids
}

// nack hands back what the consumer holds of the receipts; others are stale.
func (s *sink) nack(c *consumer, a *attachment, settlement hub.Settlement, done func(hub.Settled, error)) {
	wait := waitOf(settlement)
	r := release{holder: s.broker.name, reason: reasonOf(settlement), label: c.spec.Label}
	var stale []hub.ID
	for _, receipt := range unique(settlement.Receipts) {
		l, held := a.lease(receipt)
		if !held {
			stale = append(stale, receipt.ID)
			continue
		}
		a.end(receipt.ID)
		r.back = append(r.back, handback{id: receipt.ID, attempt: l.attempt, wait: wait})
	}
	if len(r.back) == 0 {
		done(hub.Settled{Stale: stale}, nil)
		return
	}
	a.stream.undeliver(idsOf(r.back)) // where it means a redelivery that waits
	s.release(a.stream, r, func(result hub.Settled, err error) {
		result.Stale = append(result.Stale, stale...)
		done(result, err)
	})
}

// lease finds what a receipt is for; a may be nil.
func (a *attachment) lease(r hub.Receipt) (lease, bool) {
	if a == nil {
		return lease{}, false
	}
	l, held := a.leases[r.ID]
	return l, held && (r.Attempt == 0 || r.Attempt == l.attempt)
}

func waitOf(settlement hub.Settlement) string {
	switch {
	case settlement.DeadLetter:
		return waitDead
	case settlement.Delay != nil:
		return strconv.FormatInt(settlement.Delay.Milliseconds(), 10)
	}
	return waitBackoff
}

func reasonOf(settlement hub.Settlement) string {
	if settlement.Reason != "" {
		return settlement.Reason
	}
	return reasonNacked
}

// nack hands events back, whoever holds them.
func (b *Broker) nack(ctx context.Context, sink string, settlement hub.Settlement, config hub.SinkConfig) (hub.Settled, error) {
	r := release{reason: reasonOf(settlement)}
	for _, receipt := range settlement.Receipts {
		r.back = append(r.back, handback{id: receipt.ID, attempt: receipt.Attempt, wait: waitOf(settlement)})
	}
	keys := b.keys.of(sink, settlement.Stream)
	o, cmds := r.op(keys, sink, config)
	if err := b.working.do(ctx, keys[0], o); err != nil {
		return hub.Settled{}, failure(err, "handing events back")
	}
	done, err := r.answer(cmds)
	if isNoGroup(err) {
		return hub.Settled{NotPending: idsOf(r.back)}, nil
	}
	done.held.tell(b, noteEnded, sink, settlement.Stream)
	if done.waiting || len(done.held[pullName]) > 0 { // which others may wait for, in strict order
		b.announce(sink, settlement.Stream)
	}
	return done.result, failure(err, "handing events back")
}
