package broker

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Strict order serves one connection of the whole cluster at a time. Whose turn
// it is stands in Redis, with a time limit that its hub puts off: a hub that is
// dead, or stopped, loses it. All events come by one script, which hands out
// nothing that something older has to go before.
type turn struct {
	holder  *consumer // here; nil where it is another hub's, or nobody's
	renewAt time.Time
	others  bool // it was another hub's, so wait until reclaimAt
}

// Bounds of how long a turn lasts when its hub says nothing.
const (
	shortTurn = time.Second
	longTurn  = 30 * time.Second
)

func (s *sink) turnTime(holder string) time.Duration {
	if holder == pullName {
		return s.foreign() // a worker that pulls is not heard of until it settles
	}
	return min(max(s.config.AckWait, shortTurn), longTurn)
}

// keeps says whether the connection that is served keeps its turn. One that takes
// nothing and holds nothing lets it pass after a while.
func (s *sink) keeps(st *sinkStream, now time.Time) bool {
	c := st.turn.holder
	a := st.attachments[c]
	switch {
	case a == nil:
		return false
	case len(a.leases) > 0:
		return true
	case a.muted || c.paused.Load() || c.stopped.Load():
		return false
	}
	return c.hungry.Load() || now.Before(st.turn.renewAt)
}

// works says whether the connection that is served holds something, so that
// nobody else may be served.
func (s *sink) works(st *sinkStream) bool {
	a := st.attachments[st.turn.holder]
	return a != nil && len(a.leases) > 0
}

// takeTurn asks for the next events in strict order, or for the turn.
func (s *sink) takeTurn(st *sinkStream, now time.Time) {
	// A release whose script Redis did not know is sent again, behind what was
	// sent after it. What failed must be known to have failed before more is read.
	// Nor while it is looked for what a lost answer has left.
	if st.reclaiming || st.orphans || st.searching || st.reads > 0 || st.releasing > 0 {
		return
	}
	look := !now.Before(st.reclaimAt) || st.unread && !st.turn.others
	c, most := s.next(st, now)
	switch {
	case c == nil:
		return
	case most == 0 && (c != st.turn.holder || now.Before(st.turn.renewAt)):
		st.looks++
		s.looked(st, st.looks, true, true) // there is nothing for a pull meanwhile
		return
	case most > 0 && !look && (!s.works(st) || c != st.turn.holder || now.Before(st.turn.renewAt)):
		return // who has nothing to do needs no turn
	}
	var from uint64
	if st.turn.holder != nil && st.turn.holder != c {
		from = st.turn.holder.number
	}
	p := plan{holder: c.holder()}
	if most > 0 {
		p.shares = []share{{c, s.reserve(st, c, most)}}
	}
	lasts := s.turnTime(p.holder)
	st.reclaiming = true
	st.looks++
	p.look = st.looks
	if most > 0 {
		st.unread, st.reclaimAt = false, now.Add(idleLook)
	}
	connection := c.number
	if c.pull {
		connection, from = 0, 0 // pulls are one
	}
	args := []any{
		s.name, p.holder, connection, from, p.events(), lasts.Milliseconds(), s.foreign().Milliseconds(),
		s.config.MaxDeliveries, s.delays, flag(s.noAck()), flag(st.leased > 0 || st.acking || len(st.acks) > 0),
	}
	args = append(args, s.broker.alive.args()...)
	cmd := strictScript.call(st.keys, args...)
	s.begins(st, &p)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 512, reply: p.events() * st.weight.average}, func() {
		st.reclaiming = false
		st.landed(&p)
		s.onTurn(st, cmd, c, &p, now.Add(lasts/2))
	})
}

// next is the connection to serve, and how many events it can take.
func (s *sink) next(st *sinkStream, now time.Time) (c *consumer, most int) {
	limit := st.limit(reclaimEvents)
	if c := st.turn.holder; c != nil && s.keeps(st, now) {
		if a := st.attachments[c]; a.muted || !c.wants() {
			return c, 0
		}
		return c, min(c.free(), limit)
	}
	for i := range s.consumers {
		c := s.consumers[(s.turn+i)%len(s.consumers)]
		if a := st.attachments[c]; a != nil && !a.muted && c.wants() {
			return c, min(c.free(), limit)
		}
	}
	return nil, 0
}

func (s *sink) onTurn(st *sinkStream, cmd once, c *consumer, p *plan, renewAt time.Time) {
	answer, err := cmd.Slice()
	now := time.Now()
	if isNoGroup(err) {
		st.unread = true
		p.release()
		s.lost(st, err)
		return
	}
	if err != nil || len(answer) != 6 {
		st.unread = true
		p.release()
		s.recall(st)
		st.lookAt(now)
		s.unanswered(st)
		s.fails(st, "reading in strict order", err)
		return
	}
	s.succeeds(st)
	if number(answer[5]) == 1 { // with what was behind it
		s.recall(st)
		st.orphans = true
	}
	mine := answer[0] == int64(1)
	entries, _ := answer[1].([]any)
	wait := number(answer[2])
	waits := !mine && wait >= 0 // otherwise there is nothing to do for anyone
	st.turn = turn{others: waits}
	if wait >= 0 {
		st.lookAt(now.Add(time.Duration(wait)*time.Millisecond + time.Millisecond))
	}
	if mine && !c.pull {
		st.turn.holder, st.turn.renewAt = c, renewAt
		if st.attachments[c] == nil {
			s.passTurn(st, c) // it left meanwhile
		}
	}
	if mine && c.pull {
		st.lookAt(now.Add(s.foreign())) // it is over then, if not before
	}
	st.unread = st.unread || waits || number(answer[4]) == 1
	if mine && !c.pull && !st.acking && len(st.acks) == 0 {
		s.compare(st, number(answer[3]), int64(st.leased+len(entries)))
	}
	if st.orphans && !c.pull && !s.noAck() {
		// What that had goes first: these are found with it.
		st.unread = true
		p.release()
		return
	}
	deliveries := s.reclaimed(st, entries)
	if n := len(deliveries); n > 0 {
		st.moved = st.moved || s.noAck()
		s.broker.seen(st, deliveries[n-1].id)
	}
	s.deliver(st, deliveries, p)
	done := number(answer[4]) == 0
	s.looked(st, p.look, done, done)
}

// compare has it looked what this hub holds where Redis counts otherwise.
func (s *sink) compare(st *sinkStream, counted, believed int64) {
	switch {
	case counted > believed:
		st.orphans = true // an answer was lost before
	case counted < believed:
		// Others have settled some, and their word is still on the way, or lost. What
		// waits to be handed over may be behind what they have nacked.
		s.standStill(st)
	}
}

// standStill: an answer was lost, or another hub's word, so in strict order nothing goes
// on until it is known what this hub holds.
func (s *sink) standStill(st *sinkStream) {
	if s.strict() {
		s.recall(st)
		st.orphans = true
	}
}

// recall takes what has not been handed over out of all queues: it may not be its
// turn any more. What of it Redis still has for this hub is found as orphans.
func (s *sink) recall(st *sinkStream) {
	for c, a := range st.attachments {
		s.unqueued(c, a)
	}
}

// passTurn gives up the turn of a connection, so that others need not wait until
// it is over.
func (s *sink) passTurn(st *sinkStream, c *consumer) {
	if st.turn.holder != c || c == nil {
		return
	}
	st.turn = turn{}
	cmd := yieldScript.call(st.keys, s.name, s.broker.name, c.number)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}}, func() {
		s.lookIn(st.name, 0)
		s.tellDue(st)
	})
}
