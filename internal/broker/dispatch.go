package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// readEvents bounds the events of one read.
const readEvents = 1000

// share is what one consumer gets of a read at most.
type share struct {
	consumer *consumer
	events   int
}

// plan divides a read of at most this many events over the consumers that wait,
// and reserves the credit. No event is read that no consumer waits for.
func (s *sink) plan(st *sinkStream, most int) []share {
	var plan []share
	n := len(s.consumers)
	for i := range n {
		c := s.consumers[(s.turn+i)%n]
		if st.attachments[c] == nil || !c.hungry.Load() || c.paused.Load() || c.free() <= 0 {
			continue
		}
		events := st.weight.share(min(c.free(), most))
		c.reserved += events
		plan = append(plan, share{c, events})
		if most -= events; most == 0 {
			break
		}
	}
	s.turn++
	return plan
}

func planned(plan []share) int {
	sum := 0
	for _, p := range plan {
		sum += p.events
	}
	return sum
}

// flush sends the acks that wait and the planned read, in one go.
func (s *sink) flush(st *sinkStream, plan []share) {
	o := &op{}
	acks := s.takeAcks(st, o)
	var read once
	if len(plan) > 0 {
		st.reading, st.unread = true, false
		read = command("xreadgroup", "group", s.name, s.broker.name, "count", planned(plan), "streams", st.log, ">")
		o.cmds = append(o.cmds, read)
		o.reply = planned(plan) * st.weight.average
	}
	if len(o.cmds) == 0 {
		return
	}
	s.submit(st, o, func() {
		s.acked(st, acks)
		if len(plan) > 0 {
			st.reading = false
			s.onRead(st, read, plan)
		}
	})
}

// onRead hands the events of a read to the consumers it was planned for.
func (s *sink) onRead(st *sinkStream, cmd once, plan []share) {
	answer, err := cmd.Slice()
	switch {
	case errors.Is(err, redis.Nil): // nothing new
	case isNoGroup(err):
		st.unread = true
		release(plan)
		s.lost(st, err)
		return
	case err != nil:
		st.unread = true
		release(plan)
		s.unanswered(st)
		s.fails(st, "reading", err)
		return
	}
	s.succeeds(st)
	var deliveries []delivery
	if len(answer) > 0 {
		pair, _ := answer[0].([]any)
		if len(pair) == 2 {
			entries, _ := pair[1].([]any)
			deliveries = make([]delivery, 0, len(entries))
			for _, entry := range entries {
				if id, e, ok := decodeEntry(st.name, entry); ok {
					e.Attempt = 1
					deliveries = append(deliveries, delivery{id, e})
				}
			}
			st.unread = st.unread || len(entries) == planned(plan)
		}
	}
	if n := len(deliveries); n > 0 {
		st.weight.read(deliveries)
		s.broker.seen(st, deliveries[n-1].id)
	}
	s.deliver(st, deliveries, plan)
}

// delivery is an event on its way to a consumer.
type delivery struct {
	id    hub.ID
	event hub.Event
}

// deliver spreads events evenly over the plan, in runs, and gives the rest of
// the reserved credit back. Each lease is recorded before its consumer can see
// the event.
func (s *sink) deliver(st *sinkStream, deliveries []delivery, plan []share) {
	until := time.Now().Add(s.held())
	release(plan)
	for i, p := range plan {
		if len(deliveries) == 0 {
			return
		}
		a := st.attachments[p.consumer]
		if a == nil || p.consumer.paused.Load() {
			continue // it left meanwhile
		}
		rest := len(plan) - i
		n := min((len(deliveries)+rest-1)/rest, p.events)
		s.hand(a, deliveries[:n], until)
		deliveries = deliveries[n:]
	}
	// A consumer left, so its share goes to those who can take more.
	for _, p := range plan {
		if a := st.attachments[p.consumer]; a != nil && !p.consumer.paused.Load() && len(deliveries) > 0 {
			n := min(len(deliveries), max(p.consumer.free(), 0))
			s.hand(a, deliveries[:n], until)
			deliveries = deliveries[n:]
		}
	}
	s.returnUntaken(st, deliveries)
}

func release(plan []share) {
	for _, p := range plan {
		p.consumer.reserved -= p.events
	}
}

func (s *sink) hand(a *attachment, deliveries []delivery, until time.Time) {
	if len(deliveries) == 0 {
		return
	}
	events := make([]hub.Event, len(deliveries))
	for i, d := range deliveries {
		events[i] = d.event
		a.grant(d.id, lease{attempt: d.event.Attempt, until: until})
	}
	s.broker.metrics.delivered.WithLabelValues("sink").Add(float64(len(events)))
	a.consumer.assign(batch{events, until})
}

// lost: the group is gone.
func (s *sink) lost(st *sinkStream, cause error) {
	if !st.repairing {
		s.broker.log.Warn("a sink's group is gone from its stream, making it again from what was acknowledged",
			slog.String("sink", s.name), slog.String("stream", st.name), slog.Any("error", cause))
	}
	s.repair(st)
}

// repair makes sure that the sink and its group exist. Where the group was lost,
// what it did not acknowledge is delivered anew.
func (s *sink) repair(st *sinkStream) {
	if st.repairing {
		return
	}
	st.repairing = true
	// The sink's own keys are elsewhere on a cluster; without an answer the next
	// repair, or the next consumer, writes them.
	keys := s.broker.keys
	define := defineScript.call([]string{keys.sink(s.name)}, s.config.From, s.config.AckWait.Milliseconds(), "0", "0", st.name)
	_ = s.broker.working.submit(context.Background(), keys.sink(s.name), &op{cmds: []redis.Cmder{define}})
	s.broker.list(s.name)
	cmd := attachScript.call([]string{st.log, st.key}, s.name, "0-0")
	s.submit(st, &op{cmds: []redis.Cmder{cmd}}, func() {
		st.repairing = false
		answer, err := cmd.Slice()
		if err != nil || len(answer) != 3 {
			s.fails(st, "making its group again", err)
			return
		}
		st.unread = true
		st.reclaimAt = time.Now()
		if answer[2] != int64(1) {
			return // it was there
		}
		// What was held was held of the old group. It comes again, and so do
		// events whose ack is still on its way.
		for _, a := range st.attachments {
			for id := range a.leases {
				a.end(id)
			}
		}
	})
}
