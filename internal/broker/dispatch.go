package broker

import (
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Bounds of reading.
const (
	readEvents = 1000 // of one read
	mostReads  = 2    // of one stream that are under way for a sink
)

// plan says who is to get the events of a read. All of its consumers hold their
// events by the same name in Redis.
type plan struct {
	holder string
	shares []share
	look   uint64
	back   bool // nothing is reserved any more
}

// share is what one consumer gets of a read at most.
type share struct {
	consumer *consumer
	events   int
}

// plan divides a read of at most this many events over the consumers that wait, of
// whom each gets at most so many, and reserves the credit. No event is read that no
// consumer waits for. Pulls and sockets take turns, as who holds an event must be known
// when it is read; whose turn it is goes on with the read, as not every plan is sent.
func (s *sink) plan(st *sinkStream, most, each int) plan {
	var p plan
	n := len(s.consumers)
	for i := range n {
		c := s.consumers[(s.turn+i)%n]
		if a := st.attachments[c]; a == nil || a.muted || !c.wants() {
			continue
		}
		if p.holder == "" {
			p.holder = c.holder()
		}
		if c.holder() != p.holder {
			continue
		}
		events := s.reserve(st, c, min(most, each))
		p.shares = append(p.shares, share{c, events})
		if most -= events; most == 0 {
			break
		}
	}
	return p
}

// waiting counts the consumers that a plan can be for.
func (s *sink) waiting(st *sinkStream) (n int) {
	for c, a := range st.attachments {
		if !a.muted && c.wants() {
			n++
		}
	}
	return n
}

// reserve sets credit of a consumer aside for a read.
func (s *sink) reserve(st *sinkStream, c *consumer, most int) int {
	events := min(c.free(), most)
	if room := c.spec.MaxBytes - c.bytes; c.spec.MaxBytes > 0 && st.weight.average > 0 {
		events = min(events, max(1, room/st.weight.average))
	}
	events = st.weight.share(events)
	c.reserved += events
	return events
}

func (p plan) events() int {
	sum := 0
	for _, share := range p.shares {
		sum += share.events
	}
	return sum
}

// equal says whether two reads of a stream would be the same.
func (p plan) equal(other plan) bool {
	return p.holder == other.holder && slices.Equal(p.shares, other.shares)
}

// release gives the reserved credit back, once.
func (p *plan) release() {
	if p.back {
		return
	}
	p.back = true
	for _, share := range p.shares {
		c := share.consumer
		if c.reserved -= share.events; c.reserved == 0 {
			for _, do := range c.atRest {
				do()
			}
			c.atRest = nil
		}
	}
}

// flush sends the acks that wait and the planned read, in one go.
func (s *sink) flush(st *sinkStream, p plan) {
	o := &op{}
	acks := s.takeAcks(st, o)
	var read once
	if len(p.shares) > 0 {
		s.turn++
		st.unread = st.backlog
		read = s.read(st, &p)
		s.begins(st, &p)
		o.cmds = append(o.cmds, read)
		o.reply = p.events() * st.weight.average
	}
	if len(o.cmds) == 0 {
		return
	}
	s.submit(st, o, func() {
		s.acked(st, acks)
		if len(p.shares) > 0 {
			s.onRead(st, read, &p)
		}
	})
}

// nextRead plans the read of what is new, if there is something to read. While there
// is a backlog one read waits behind another, so that Redis has work while this hub
// hands out what it has got; but not for a bit of credit that is free already, as more
// of it will be by then.
func (s *sink) nextRead(st *sinkStream) plan {
	if !st.unread || st.orphans || st.searching || st.reads == mostReads || st.reads > 0 && !st.backlog {
		return plan{}
	}
	most := st.limit(readEvents)
	p := s.plan(st, most, most)
	if st.reads > 0 && p.events() < most/4 {
		p.release()
		return plan{}
	}
	return p
}

// read begins a planned read.
func (s *sink) read(st *sinkStream, p *plan) once {
	st.reads++
	st.looks++
	p.look = st.looks
	args := append(make([]any, 0, 10), "xreadgroup", "group", s.name, p.holder, "count", p.events())
	if s.noAck() {
		args = append(args, "noack")
	}
	return command(append(args, "streams", st.log(), ">")...)
}

// onRead hands the events of a read to the consumers it was planned for.
func (s *sink) onRead(st *sinkStream, cmd once, p *plan) {
	st.reads--
	st.landed(p)
	st.backlog = false
	switch err := cmd.Err(); {
	case errors.Is(err, redis.Nil): // nothing new
	case isNoGroup(err):
		st.unread = true
		p.release()
		s.lost(st, err)
		return
	case err != nil:
		st.unread = true
		p.release()
		s.unanswered(st)
		s.fails(st, "reading", err)
		return
	}
	s.succeeds(st)
	entries := entriesOf(cmd)
	deliveries := make([]delivery, 0, len(entries))
	for _, entry := range entries {
		if d, ok := decodeEntry(st.name, entry); ok {
			d.event.Attempt = 1
			deliveries = append(deliveries, d)
		}
	}
	full := len(entries) == p.events()
	st.unread, st.backlog = st.unread || full, full
	if n := len(deliveries); n > 0 {
		st.moved = st.moved || s.noAck()
		st.weight.read(deliveries)
		s.broker.seen(st, deliveries[n-1].id)
		s.latest = st
	}
	s.deliver(st, deliveries, p)
	s.looked(st, p.look, !full, false)
}

// entriesOf are those that a read of one stream has got.
func entriesOf(read once) []any {
	answer, err := read.Slice()
	if err != nil || len(answer) == 0 {
		return nil
	}
	pair, _ := answer[0].([]any)
	if len(pair) != 2 {
		return nil
	}
	entries, _ := pair[1].([]any)
	return entries
}

// deliver spreads events evenly over the plan, in runs, and gives the rest of
// the reserved credit back. Each lease is recorded before its consumer can see
// the event.
func (s *sink) deliver(st *sinkStream, deliveries []delivery, p *plan) {
	now := time.Now()
	p.release()
	st.regranted(deliveries)
	deliveries = s.sift(st, deliveries, p.holder)
	for i, share := range p.shares {
		if len(deliveries) == 0 {
			return
		}
		rest := len(p.shares) - i
		n := min((len(deliveries)+rest-1)/rest, share.events)
		if !s.noAck() { // where another read has come after all, its events have the room
			n = min(n, share.consumer.room())
		}
		deliveries = s.hand(st, share.consumer, deliveries, n, now)
	}
	// A consumer left, or had no room, so its share goes to those who can take more.
	for _, share := range p.shares {
		if len(deliveries) > 0 {
			deliveries = s.hand(st, share.consumer, deliveries, share.consumer.free(), now)
		}
	}
	if len(deliveries) > 0 && !s.noAck() {
		back := make([]handback, len(deliveries))
		for i, d := range deliveries {
			back[i] = handback{id: d.id, attempt: d.event.Attempt, wait: waitFree}
		}
		s.release(st, release{holder: p.holder, back: back}, nil)
	}
}

// sift takes out what no consumer is to get: what the sink filters out is
// acknowledged for it, and what cannot be read is a dead letter.
func (s *sink) sift(st *sinkStream, deliveries []delivery, holder string) []delivery {
	kept := deliveries[:0]
	var unwanted []hub.ID
	marked := false
	for _, d := range deliveries {
		switch {
		case d.fault != "":
			back := []handback{{id: d.id, attempt: d.event.Attempt, wait: waitDead}}
			if s.noAck() {
				back[0].attempt = notPending
			}
			s.release(st, release{holder: holder, reason: "undecodable: " + d.fault, back: back}, nil)
		case s.filter.Match(d.event.Topic, d.event.Type):
			kept = append(kept, d)
		default:
			unwanted = append(unwanted, d.id)
			marked = marked || d.marked
		}
	}
	if len(unwanted) > 0 && !s.noAck() {
		s.ackUnwanted(st, unwanted, marked)
	}
	return kept
}

// hand gives a consumer the first n of these events, if it is still there and
// they fit, and returns the others.
func (s *sink) hand(st *sinkStream, c *consumer, deliveries []delivery, n int, now time.Time) (rest []delivery) {
	a := st.attachments[c]
	if a == nil || c.stopped.Load() || n <= 0 {
		return deliveries
	}
	if (a.muted || c.paused.Load()) && !s.noAck() { // what is not pending would be lost
		return deliveries
	}
	n = min(n, len(deliveries))
	events := make([]hub.Event, 0, n)
	var ids span
	for _, d := range deliveries[:n] {
		size := entrySize(&d.event)
		if c.spec.MaxBytes > 0 && c.bytes > 0 && c.bytes+size > c.spec.MaxBytes {
			c.tight = true
			break
		}
		events = append(events, d.event)
		ids.include(d.id)
		if !c.pull && !s.noAck() {
			a.grant(d.id, lease{attempt: d.event.Attempt, since: now, size: size, marked: d.marked})
		}
	}
	if len(events) == 0 {
		return deliveries
	}
	if c.spec.Prefetch == 0 {
		c.credit -= len(events)
	}
	s.broker.metrics.delivered.WithLabelValues("sink").Add(float64(len(events)))
	room := c.free()
	if c.pull || s.noAck() {
		room -= len(events) // for others they count already
	}
	c.assign(batch{events, now, now, ids}, c.reserved == 0 && room <= 0)
	return deliveries[len(events):]
}
