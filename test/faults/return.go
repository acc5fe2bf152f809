package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/test/faults/history"
)

// lookEvery is how often a node is asked for its role where milliseconds matter: Sentinel
// asks once a second, and tells the other replicas only then.
const lookEvery = 2 * time.Millisecond

// comeBack has the primary stand still until a replica has its place, and go on at once: for
// a moment there are two, and a replica that has not heard of the new one follows the old.
func comeBack(r *rig) {
	old := r.redis.sentinel.Primary(r)
	heirs := r.redis.heirs(old)
	clients := make([]*redis.Client, len(heirs))
	for i, heir := range heirs {
		clients[i] = heir.Client(r)
	}
	db := old.Client(r)
	r.fault(history.Fault{Name: "return of a primary", Forfeits: true, Lag: 2 * time.Second}, func() string {
		old.Pause()
		promoted := r.awaitPromotion(clients)
		old.Resume()
		if !promoted {
			return ""
		}
		proof := r.beside(db)
		r.awaitMaster(old)
		r.pass(3 * time.Second)
		return proof
	})
	r.pass(2 * time.Second)
}

// awaitPromotion returns once one of these replicas says that it is a primary.
func (r *rig) awaitPromotion(replicas []*redis.Client) bool {
	for began := time.Now(); time.Since(began) < failoverLimit; {
		if slices.ContainsFunc(replicas, func(db *redis.Client) bool { return info(r.ctx, db, "replication", "role") == "master" }) {
			return true
		}
		if !rest(r.ctx, lookEvery) {
			return false
		}
	}
	return false
}

// beside watches a primary that another has replaced, until it knows. It says what it has
// done meanwhile, "" when no replica has followed it.
func (r *rig) beside(db *redis.Client) string {
	first, events, followed := r.stored(db), 0, false
	began, took := time.Now(), time.Duration(0)
	for time.Since(began) < failoverLimit && info(r.ctx, db, "replication", "role") == "master" {
		replicas, _ := strconv.Atoi(info(r.ctx, db, "replication", "connected_slaves"))
		if replicas > 0 {
			followed, took, events = true, time.Since(began), r.stored(db)-first
		}
		if !rest(r.ctx, lookEvery) {
			break
		}
	}
	if !followed {
		return ""
	}
	return fmt.Sprintf("two primaries: that which came back had a replica for %s, and stored %d events", took.Round(time.Millisecond), events)
}

// stored is how many events a node has been sent.
func (r *rig) stored(db *redis.Client) (events int) {
	for _, stream := range streams() {
		log, err := db.XInfoStream(r.ctx, logKey(stream)).Result()
		if err == nil {
			events += int(log.EntriesAdded)
		}
	}
	return events
}
