package broker

import (
	"math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"
)

// Reclaiming takes over events whose lease has ended, wherever that was: handed
// back, held too long, or left by a hub that is dead. Hints (a bell, the end of
// a lease here, a hub's death) say when to look; where other hubs hold events it
// looks by itself, in case their hints are lost with them.
const (
	reclaimEvents = 500 // of one script run, which blocks Redis meanwhile
	quickLook     = time.Second
	slowLook      = 5 * time.Second
	// idleLook is for a sink of which nothing is known to be held elsewhere. A run
	// costs about eight Redis commands, and there may be many idle sinks.
	idleLook = 2 * time.Minute
)

// foreignLook is how often to look while other hubs hold events. A long ack_wait
// needs no hurry: a hub's death is noticed before it is over.
func (s *sink) foreignLook() time.Duration {
	if s.held() < slowLook {
		return quickLook
	}
	return slowLook
}

// reclaim runs the script for consumers that wait for events.
func (s *sink) reclaim(st *sinkStream, now time.Time) {
	most := st.limit(reclaimEvents)
	p := s.plan(st, most, most)
	if len(p.shares) == 0 {
		return // who becomes hungry wakes run, and reclaimAt has passed
	}
	st.reclaiming = true
	s.turn++
	st.looks++
	p.look = st.looks
	st.reclaimAt = now.Add(idleLook + rand.N(idleLook)) // spread, as many sinks may start together
	if now.Before(st.doubt) {
		st.lookAt(st.doubt)
	}
	args := []any{s.name, p.holder, p.events(), s.foreign().Milliseconds(), s.config.MaxDeliveries, s.delays}
	args = append(args, s.broker.alive.args()...)
	cmd := reclaimScript.call(st.keys, args...)
	s.begins(st, &p)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 512, reply: p.events() * st.weight.average}, func() {
		st.reclaiming = false
		st.landed(&p)
		s.onReclaim(st, cmd, &p)
	})
}

func (s *sink) onReclaim(st *sinkStream, cmd once, p *plan) {
	answer, err := cmd.Slice()
	now := time.Now()
	if isNoGroup(err) {
		p.release()
		s.lost(st, err)
		return
	}
	if err != nil || len(answer) != 4 {
		p.release()
		st.lookAt(now)
		s.unanswered(st)
		s.fails(st, "reclaiming", err)
		return
	}
	s.succeeds(st)
	entries, _ := answer[0].([]any)
	own := number(answer[3])
	held := number(answer[1])
	if p.holder == pullName {
		held += own
	}
	if held > 0 {
		st.lookAt(now.Add(s.foreignLook()))
	}
	if due := number(answer[2]); due >= 0 {
		st.lookAt(now.Add(time.Duration(due) * time.Millisecond))
	}
	full := len(entries) == p.events()
	if full {
		st.lookAt(now) // there may be more
	}
	s.deliver(st, s.reclaimed(st, entries), p)
	if p.holder != pullName && int(own) > st.leased {
		s.doubts(st) // a read may be on its way, or its answer lost
	}
	s.looked(st, p.look, false, !full)
}

// reclaimed reads entries that a script took over, and ends what this hub still
// believed of them.
func (s *sink) reclaimed(st *sinkStream, entries []any) []delivery {
	deliveries := make([]delivery, 0, len(entries))
	again := 0
	for _, entry := range entries {
		fields, _ := entry.([]any)
		d, ok := decodeEntry(st.name, entry)
		if !ok || len(fields) < 3 {
			continue
		}
		d.event.Attempt = int(number(fields[2]))
		d.marked = len(fields) > 3
		if d.event.Attempt > 1 {
			again++
		}
		for _, a := range st.attachments {
			a.end(d.id)
		}
		deliveries = append(deliveries, d)
	}
	st.weight.read(deliveries)
	st.grants += uint64(len(deliveries))
	s.broker.metrics.redelivered.Add(float64(again))
	return deliveries
}

// lookIn makes sure that a stream is looked at in so many ms, if it is here still.
func (s *sink) lookIn(stream string, ms int64) {
	if st := s.streams[stream]; st != nil {
		st.lookAt(time.Now().Add(time.Duration(ms) * time.Millisecond))
	}
}
