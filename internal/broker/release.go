package broker

import (
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// closeBackoff is the delay before an event comes again that was in the hands of
// a consumer whose connection ended, from the second time on: at once the first
// time, but a consumer that an event kills must not take the sink down with it.
const closeBackoff = time.Second

// handback is one event on its way back to nobody.
type handback struct {
	id      hub.ID
	attempt int
	delay   time.Duration
	counts  bool // this delivery is an attempt
}

// nack hands back what the consumer holds of ids; other ids are stale.
func (s *sink) nack(c *consumer, stream string, receipts []hub.Receipt, delay time.Duration, done func(hub.AckResult, error)) {
	a := c.attachments[stream]
	var back []handback
	var stale []hub.ID
	for _, r := range receipts {
		var l lease
		held := false
		if a != nil {
			l, held = a.leases[r.ID]
		}
		if !held || r.Attempt != 0 && r.Attempt != l.attempt {
			stale = append(stale, r.ID)
			continue
		}
		a.end(r.ID)
		back = append(back, handback{id: r.ID, attempt: l.attempt, delay: delay, counts: true})
	}
	if len(back) == 0 {
		if done != nil {
			done(hub.AckResult{Stale: stale}, nil)
		}
		return
	}
	s.release(a.stream, back, func(result hub.AckResult, err error) {
		result.Stale = append(stale, result.Stale...)
		if done != nil {
			done(result, err)
		}
	})
}

// release hands events of this hub back to Redis, whence anyone can claim them
// when they are due. On failure they stay pending, and come back after ack_wait.
func (s *sink) release(st *sinkStream, back []handback, then func(hub.AckResult, error)) {
	o := &op{bytes: 48 * len(back)}
	var cmds []once
	for at := 0; at < len(back); at += ackIDs {
		args := []any{s.name, s.broker.name}
		for _, h := range back[at:min(at+ackIDs, len(back))] {
			counts := "0"
			if h.counts {
				counts = "1"
			}
			args = append(args, h.id.String(), h.attempt, h.delay.Milliseconds(), counts)
		}
		cmd := releaseScript.call([]string{st.log, st.retry}, args...)
		cmds, o.cmds = append(cmds, cmd), append(o.cmds, redis.Cmder(cmd))
	}
	s.submit(st, o, func() {
		var result hub.AckResult
		var err error
		i, now := 0, time.Now()
		for _, cmd := range cmds {
			var outcomes []int64
			if outcomes, err = cmd.Int64Slice(); isNoGroup(err) {
				s.lost(st, err)
				result, err = hub.AckResult{NotPending: idsOf(back)}, nil
				break
			}
			if err != nil {
				err = failure(err, "handing events back")
				s.doubts(st)
				break
			}
			for _, outcome := range outcomes {
				switch outcome {
				case 1:
					result.Done = append(result.Done, back[i].id)
					s.lookAt(st.name, now.Add(back[i].delay))
				case 0:
					result.NotPending = append(result.NotPending, back[i].id)
				default:
					result.Stale = append(result.Stale, back[i].id)
				}
				i++
			}
		}
		if len(result.Done) > 0 && !s.wanted(st) {
			s.tellDue(st)
		}
		then(result, err)
	})
}

func idsOf(back []handback) []hub.ID {
	ids := make([]hub.ID, len(back))
	for i, h := range back {
		ids[i] = h.id
	}
	return ids
}

// remove lets a consumer go: the acks that it sent go out first, then what it
// still holds is handed back. then runs when Redis has answered.
func (s *sink) remove(c *consumer, drain bool, then func()) {
	untaken := c.untaken()
	waiting := 1
	finish := func(hub.AckResult, error) {
		if waiting--; waiting == 0 {
			then()
		}
	}
	for i, other := range s.consumers {
		if other == c {
			s.consumers = append(s.consumers[:i:i], s.consumers[i+1:]...)
			break
		}
	}
	for _, a := range c.attachments {
		st := a.stream
		delete(st.attachments, c)
		var back []handback
		for id, l := range a.leases {
			_, unseen := untaken[st.name+" "+id.String()]
			h := handback{id: id, attempt: l.attempt, counts: !drain && !unseen}
			if h.counts && l.attempt > 1 {
				h.delay = closeBackoff
			}
			back = append(back, h)
			a.end(id)
		}
		// The acks that wait go first, and in the same lane; whether others are
		// under way does not matter now.
		st.acking = false
		s.flush(st, nil)
		if len(back) > 0 {
			waiting++
			s.release(st, back, finish)
		}
		if len(st.attachments) == 0 {
			s.broker.unwatch(st)
			s.discard(st)
		}
	}
	finish(hub.AckResult{}, nil)
}

// discard forgets a stream that no consumer here reads any more.
func (s *sink) discard(st *sinkStream) {
	delete(s.streams, st.name)
	// Others may have to look in its place, for what was handed back and is due
	// later.
	s.tellDue(st)
}

// tellDue tells other hubs that something of the stream can be claimed, now or
// later.
func (s *sink) tellDue(st *sinkStream) {
	s.broker.notify(s.broker.keys.bell(), s.broker.name+" "+bellDue+" "+s.name+" "+st.name)
}

// returnUntaken hands back events that were read for a consumer that has left.
func (s *sink) returnUntaken(st *sinkStream, deliveries []delivery) {
	if len(deliveries) == 0 {
		return
	}
	back := make([]handback, len(deliveries))
	for i, d := range deliveries {
		back[i] = handback{id: d.id, attempt: d.event.Attempt}
	}
	s.release(st, back, func(hub.AckResult, error) {})
}
