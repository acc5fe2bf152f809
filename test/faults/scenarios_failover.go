package main

import (
	"fmt"
	"time"

	"eventhub/internal/redistest"
	"eventhub/test/faults/history"
)

// failoverScenarios: each with the two durabilities. What a failover loses of what a
// primary alone had is counted, of what a replica had it is a violation.
func failoverScenarios() []*scenario {
	var list []*scenario
	for _, durability := range []string{"fast", "replicated"} {
		var onSentinel, onCluster []string
		if durability == "replicated" {
			onSentinel, onCluster = []string{sentinel}, []string{cluster}
		}
		add := func(s *scenario) {
			s.name += "-" + durability
			s.what += ", durability=" + durability
			s.load.durability, s.alone = durability, true
			s.bounds = history.Bounds{InFlight: 20 * time.Second, Announce: 20 * time.Second, Tail: 8 * time.Second}
			list = append(list, s)
		}
		add(&scenario{
			name: "sentinel-kill", what: "kill -9 of the primary", on: []string{sentinel}, shortOn: onSentinel, outage: failoverOutage(sentinel),
			fault: func(r *rig) { failover(r, (*redistest.Server).Kill, nil) },
		})
		add(&scenario{
			name: "sentinel-pause", what: "SIGSTOP of the primary until another has its place, and 3 s more", on: []string{sentinel}, outage: failoverOutage(sentinel),
			fault: func(r *rig) { failover(r, (*redistest.Server).Pause, (*redistest.Server).Resume) },
		})
		if durability == "replicated" { // with fast, readers miss events yet: see docs/faults.md
			add(&scenario{
				name: "sentinel-return", what: "SIGSTOP of the primary until a replica has its place, and SIGCONT at once", on: []string{sentinel}, outage: failoverOutage(sentinel), fault: comeBack,
			})
		}
		add(&scenario{
			name: "cluster-kill", what: "kill -9 of a master", on: []string{cluster}, shortOn: onCluster, outage: failoverOutage(cluster),
			redis: partial(), fault: besideReaders(killMaster), check: checkNeighbours,
		})
		standing := time.Duration(0) // until the new master has a replica again, which replicated waits for
		if durability == "replicated" {
			standing = 3 * time.Second
		}
		add(&scenario{
			name: "cluster-pause", what: "SIGSTOP of a master until another has its place, and 3 s more", on: []string{cluster}, outage: failoverOutage(cluster) + standing,
			redis: partial(), fault: besideReaders(pauseMaster), check: checkNeighbours,
		})
		add(&scenario{
			name: "sentinel-lag", what: "kill -9 of a primary that takes writes while its replicas stand still", on: []string{sentinel},
			outage: failoverOutage(sentinel), fault: lag, check: checkLag,
		})
		add(&scenario{
			name: "cluster-lag", what: "the same of a master", on: []string{cluster}, outage: failoverOutage(cluster),
			// However long ago a replica has heard of its master, it takes its place.
			redis: append(partial(), "--cluster-replica-validity-factor", "0"), fault: besideReaders(lag), check: func(h *history.History, v *history.Verdict) {
				checkLag(h, v)
				checkNeighbours(h, v)
			},
		})
	}
	return append(list,
		&scenario{
			name: "cluster-failover", what: "CLUSTER FAILOVER, by which nothing is lost", on: []string{cluster}, alone: true, outage: failoverOutage(cluster),
			fault: besideReaders(func(r *rig) { promote(r, false) }), check: checkNeighbours,
		},
		&scenario{
			name: "cluster-takeover", what: "CLUSTER FAILOVER TAKEOVER, without asking anybody", on: []string{cluster}, alone: true, outage: failoverOutage(cluster),
			fault: besideReaders(func(r *rig) { promote(r, true) }), check: checkNeighbours,
		},
		&scenario{
			name: "cluster-migration", what: "the slot of a stream moves to another master, and back: no publish fails, or takes 1 s", on: []string{cluster},
			shortOn: []string{cluster}, alone: true, outage: time.Second, latest: time.Second, fault: migrate, check: checkMigration,
		},
		&scenario{
			name: "cluster-migration-replicated", what: "the same, durability=replicated", on: []string{cluster},
			load: loadOptions{durability: "replicated"}, alone: true, outage: time.Second, latest: time.Second, fault: migrate, check: checkMigration,
		})
}

// failoverOutage is how long publishing may stand still while one is under way: on Sentinel
// 4 s after it has noticed, which takes it 1 s.
func failoverOutage(kind string) time.Duration {
	if kind == cluster {
		return 7 * time.Second
	}
	return 5 * time.Second
}

// partial has a cluster serve the slots whose masters live, though one has none: by default
// it refuses all from when it has noticed until another master is there.
func partial() []string { return []string{"--cluster-require-full-coverage", "no"} }

// failoverLimit bounds the wait for a new primary.
const failoverLimit = 30 * time.Second

// failover breaks the primary until the sentinels have another, and mends it where that
// is possible.
func failover(r *rig, breaks, mends func(*redistest.Server)) {
	old := r.redis.sentinel.Primary(r)
	// What is on its way to a primary that stands still, it does when it goes on.
	r.fault(history.Fault{Name: "failover", Forfeits: true, Lag: 2 * time.Second}, func() string {
		breaks(old)
		proof := r.awaitMaster(old)
		r.pass(3 * time.Second)
		if mends != nil {
			mends(old)
			r.pass(3 * time.Second) // until it knows that it is none
		}
		return proof
	})
	r.pass(2 * time.Second)
}

// killMaster kills the master of a stream.
func killMaster(r *rig) {
	old := r.redis.master(r, streams()[0])
	r.fault(history.Fault{Name: "kill -9 of a master", Forfeits: true, Lag: 2 * time.Second}, func() string {
		old.Kill()
		proof := r.awaitMaster(old)
		old.Restart() // as a replica: without one, nothing is replicated any more
		r.pass(2 * time.Second)
		return proof
	})
	r.pass(2 * time.Second)
}

// pauseMaster has the master of a stream stand still until its replica has its place.
func pauseMaster(r *rig) {
	old := r.redis.primary(r)
	r.fault(history.Fault{Name: "SIGSTOP of a master", Forfeits: true, Lag: 2 * time.Second}, func() string {
		old.Pause()
		proof := r.awaitMaster(old)
		r.pass(3 * time.Second)
		old.Resume()
		r.pass(2 * time.Second) // until it knows that it is none
		return proof
	})
	r.pass(2 * time.Second)
}

// promote makes a replica the master of a stream.
func promote(r *rig, takeover bool) {
	old := r.redis.master(r, streams()[0])
	heir := r.redis.heir(old)
	if heir == nil {
		r.Fatal("a master has no replica")
	}
	command := []any{"CLUSTER", "FAILOVER"}
	if takeover {
		command = append(command, "TAKEOVER")
	}
	r.fault(history.Fault{Name: fmt.Sprint(command...), Forfeits: takeover, Lag: time.Second}, func() string {
		if err := heir.Client(r).Do(r.ctx, command...).Err(); err != nil {
			r.Errorf("%v: %w", command, err)
			return ""
		}
		proof := r.awaitMaster(old)
		r.pass(2 * time.Second)
		return proof
	})
	r.pass(2 * time.Second)
}

// awaitMaster waits until the first stream has another master than that one.
func (r *rig) awaitMaster(old *redistest.Server) (proof string) {
	began := time.Now()
	for time.Since(began) < failoverLimit && r.ctx.Err() == nil {
		var now string
		if r.redis.kind == sentinel {
			now = r.redis.sentinel.Primary(r).Addr()
		} else {
			now = r.redis.masterOf(r.ctx, streams()[0])
		}
		if now != "" && now != old.Addr() {
			return fmt.Sprintf("another master after %s", time.Since(began).Round(100*time.Millisecond))
		}
		r.pass(50 * time.Millisecond)
	}
	return ""
}
