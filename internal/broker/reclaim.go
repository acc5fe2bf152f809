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
	plan := s.plan(st, st.weight.limit(reclaimEvents))
	if len(plan) == 0 {
		return // who becomes hungry wakes run, and reclaimAt has passed
	}
	st.reclaiming = true
	st.reclaimAt = now.Add(idleLook + rand.N(idleLook)) // spread, as many sinks may start together
	if now.Before(st.doubt) {
		st.lookAt(st.doubt)
	}
	args := []any{s.name, s.broker.name, planned(plan), s.held().Milliseconds()}
	args = append(args, s.broker.alive.args()...)
	cmd := reclaimScript.call([]string{st.log, st.retry, st.key}, args...)
	s.submit(st, &op{cmds: []redis.Cmder{cmd}, bytes: 512, reply: planned(plan) * st.weight.average}, func() {
		st.reclaiming = false
		s.onReclaim(st, cmd, plan)
	})
}

func (s *sink) onReclaim(st *sinkStream, cmd once, plan []share) {
	answer, err := cmd.Slice()
	now := time.Now()
	if isNoGroup(err) {
		release(plan)
		s.lost(st, err)
		return
	}
	if err != nil || len(answer) != 4 {
		release(plan)
		st.lookAt(now)
		s.unanswered(st)
		s.fails(st, "reclaiming", err)
		return
	}
	s.succeeds(st)
	entries, _ := answer[0].([]any)
	held, _ := answer[1].(int64)
	due, _ := answer[2].(int64)
	if held > 0 {
		st.lookAt(now.Add(s.foreignLook()))
	}
	if due >= 0 {
		st.lookAt(now.Add(time.Duration(due) * time.Millisecond))
	}
	if len(entries) == planned(plan) {
		st.lookAt(now) // there may be more
	}
	s.deliver(st, s.reclaimed(st, entries), plan)
	if own, _ := answer[3].(int64); int(own) > st.leased {
		s.doubts(st) // a read may be on its way, or its answer lost
	}
}

// reclaimed reads the script's entries, and ends what this hub still believed
// of them.
func (s *sink) reclaimed(st *sinkStream, entries []any) []delivery {
	deliveries := make([]delivery, 0, len(entries))
	again := 0
	for _, entry := range entries {
		triple, _ := entry.([]any)
		id, e, ok := decodeEntry(st.name, entry)
		if !ok || len(triple) != 3 {
			continue
		}
		attempt, _ := triple[2].(int64)
		e.Attempt = int(attempt)
		if attempt > 1 {
			again++
		}
		for _, a := range st.attachments {
			a.end(id)
		}
		deliveries = append(deliveries, delivery{id, e})
	}
	st.weight.read(deliveries)
	s.broker.metrics.redelivered.Add(float64(again))
	return deliveries
}
