package main

import (
	"fmt"
	"strconv"
	"time"

	"eventhub/internal/redistest"
	"eventhub/test/faults/history"
)

// lagTime is how long a primary takes writes that no replica has: less than it takes
// sentinels and a cluster to say that the replicas are down, who then could not take over.
const lagTime = 600 * time.Millisecond

// lag kills a primary which has confirmed what none of its replicas has.
func lag(r *rig) {
	old := r.redis.primary(r)
	heirs := r.redis.heirs(old)
	db := old.Client(r)
	r.fault(history.Fault{Name: "kill -9 of a primary ahead of its replicas", Forfeits: true, Lag: 2 * time.Second}, func() string {
		for _, heir := range heirs {
			heir.Pause()
		}
		// What is in the buffers of their connections, they would read when they go on.
		if err := db.Do(r.ctx, "CLIENT", "KILL", "TYPE", "replica").Err(); err != nil {
			r.Errorf("disconnecting the replicas: %w", err)
		}
		before, _ := strconv.Atoi(info(r.ctx, db, "replication", "master_repl_offset"))
		r.pass(lagTime)
		after, _ := strconv.Atoi(info(r.ctx, db, "replication", "master_repl_offset"))
		old.Kill()
		for _, heir := range heirs {
			heir.Resume()
		}
		proof := r.awaitMaster(old)
		if r.redis.kind == cluster {
			old.Restart() // as a replica: without one, nothing is replicated any more
		}
		r.pass(2 * time.Second)
		if proof == "" || after <= before {
			return ""
		}
		return fmt.Sprintf("%d bytes that no replica had, %s", after-before, proof)
	})
	r.pass(2 * time.Second)
}

// heirs are the replicas of a primary, or of a master.
func (t *topology) heirs(of *redistest.Server) (list []*redistest.Server) {
	if t.kind == cluster {
		return []*redistest.Server{t.heir(of)}
	}
	for _, node := range t.nodes {
		if node != of {
			list = append(list, node)
		}
	}
	return list
}

// checkLag: with durability=fast something that was confirmed is lost, and with replicated
// something could not be confirmed, or else there was no fault.
func checkLag(h *history.History, v *history.Verdict) {
	f := &h.Faults[0]
	kept := map[[2]string]bool{}
	for _, e := range h.Entries {
		kept[[2]string{e.Topic, e.ID.String()}] = true
	}
	lost, doubted := 0, 0
	for _, p := range h.Publishes {
		gone := !p.Channel && p.Outcome == history.OK && !kept[[2]string{p.Topic, p.ID.String()}]
		switch {
		case gone && !p.Replicated:
			lost++
		case p.Replicated && p.Outcome == history.Unknown && p.Ended > f.Began && p.Began < f.Ended:
			doubted++
		}
	}
	if lost+doubted == 0 {
		f.Proof = ""
		return
	}
	f.Proof += fmt.Sprintf(", %d confirmed events are gone, %d were not confirmed", lost, doubted)
	// Of these, sinks and readers may have had some before.
	v.Counts[history.Forfeited] = max(v.Counts[history.Forfeited], lost)
}
