package main

import (
	"context"
	"fmt"
	"time"

	"eventhub/internal/redistest"
	"eventhub/test/faults/history"
)

// What a pause of a primary is, where there is somebody to take over: Sentinel gives it up
// after 1 s and a cluster after 2 s, and then they have to agree.
const (
	mayFailOver  = time.Second
	mustFailOver = 6 * time.Second
)

// pauseScenario: a pause of 2 s may be a failover, where there is somebody to take over,
// and from 6 s on it is one, or else had no effect.
func pauseScenario(pause time.Duration, kind string) *scenario {
	s := &scenario{
		name: fmt.Sprintf("redis-pause-%s", pause), what: fmt.Sprintf("SIGSTOP of Redis (of the primary, or a master) for %s", pause), on: []string{kind},
		bounds:   history.Bounds{InFlight: pause + 5*time.Second, Announce: pause + 10*time.Second, Tail: pause + 3*time.Second},
		recovery: 2 * time.Second,
	}
	f := history.Fault{Name: "SIGSTOP of Redis"}
	if pause == 6*time.Second {
		s.shortOn = []string{single}
	}
	switch {
	case pause >= mustFailOver:
		s.what += "; Sentinel and a cluster fail over meanwhile"
	case pause > mayFailOver:
		s.what += "; Sentinel and a cluster may fail over meanwhile"
	}
	if pause > mayFailOver && kind != single {
		f.Forfeits, f.Lag, s.outage = true, 2*time.Second, failoverOutage(kind)
	}
	s.fault = func(r *rig) { pauseRedis(r, f, pause) }
	return s
}

func pauseRedis(r *rig, f history.Fault, pause time.Duration) {
	node := r.redis.primary(r)
	db := node.Client(r)
	r.fault(f, func() string {
		before := info(r.ctx, db, "server", "run_id")
		node.Pause()
		deaf := make(chan bool, 1)
		go func() { // waited for below
			ctx, cancel := context.WithTimeout(r.ctx, pause/2)
			defer cancel()
			deaf <- db.Ping(ctx).Err() != nil
		}()
		began := time.Now()
		r.pass(pause)
		lasted := time.Since(began)
		node.Resume()
		if !<-deaf {
			return ""
		}
		if !f.Forfeits {
			return "no answer to PING"
		}
		r.pass(3 * time.Second) // it may take writes until it knows that it is none
		heir, replaced := r.replaced(node, before)
		if lasted >= mustFailOver && !replaced {
			return ""
		}
		return "no answer to PING, and " + heir
	})
	r.pass(3 * time.Second)
}

// knownLimit bounds the wait until a client has heard who has the first stream.
const knownLimit = time.Second

// replaced says whether another node has the place of one that stood still: that of the
// primary, or the slot of the first stream. before is the run_id of who had it.
func (r *rig) replaced(old *redistest.Server, before string) (what string, yes bool) {
	began, now := time.Now(), r.redis.primary(r)
	for now == old && time.Since(began) < knownLimit && r.ctx.Err() == nil {
		r.pass(50 * time.Millisecond)
		now = r.redis.primary(r)
	}
	if now == old {
		return "it kept its place", false
	}
	db := now.Client(r)
	role, id := info(r.ctx, db, "replication", "role"), info(r.ctx, db, "server", "run_id")
	return fmt.Sprintf("its place has a %s with the run_id %.8s, not %.8s", role, id, before), role == "master" && id != "" && id != before
}
