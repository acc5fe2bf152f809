package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"eventhub/test/faults/history"
)

func dataScenarios() []*scenario {
	return []*scenario{
		{name: "flushall", what: "FLUSHALL, of a cluster on all masters", on: everywhere(), shortOn: []string{single}, fault: flushAll},
		{name: "del-stream", what: "DEL of a stream's log, ten times", on: everywhere(), fault: deleteLog},
		{name: "group-destroy", what: "XGROUP DESTROY of a sink's group, three times", on: everywhere(), shortOn: []string{single}, load: loadOptions{hold: holding}, fault: destroyGroup, broken: map[string]history.Violation{"fault_group_latest": history.Lost}},
		{name: "maxmemory", what: "Redis is full (noeviction) for 4 s", on: everywhere(), shortOn: []string{single}, alone: true, fault: fillMemory, check: checkFull},
	}
}

// deletions are so many that events are on their way in one of them.
const deletions = 10

func flushAll(r *rig) {
	r.fault(history.Fault{Name: "FLUSHALL", Wipes: true}, func() string {
		keys := int64(0)
		for _, db := range clientsOf(r) {
			n := db.DBSize(r.ctx).Val()
			if db.FlushAll(r.ctx).Err() == nil {
				keys += n
			}
		}
		if keys == 0 {
			return ""
		}
		return fmt.Sprintf("there were %d keys", keys)
	})
	r.pass(3 * time.Second)
}

func deleteLog(r *rig) {
	for range deletions {
		r.fault(history.Fault{Name: "DEL", Wipes: true, Topics: streams()[:1]}, func() string {
			if n, err := r.redis.db.Del(r.ctx, logKey(streams()[0])).Result(); err != nil || n != 1 {
				return ""
			}
			return "1 key was deleted"
		})
		r.pass(500 * time.Millisecond)
	}
	r.pass(2 * time.Second)
}

func destroyGroup(r *rig) {
	for range 3 {
		r.fault(history.Fault{Name: "XGROUP DESTROY", Resets: true, Topics: streams()[:1], Sinks: []string{work}}, func() string {
			if n, err := r.redis.db.XGroupDestroy(r.ctx, logKey(streams()[0]), work).Result(); err != nil || n != 1 {
				return ""
			}
			return "1 group was destroyed"
		})
		r.pass(1500 * time.Millisecond)
	}
}

// fillMemory allows Redis no more than it has.
func fillMemory(r *rig) {
	limit := func(bytes string) {
		for _, node := range r.redis.nodes {
			db := node.Client(r.stage)
			if err := db.ConfigSet(r.ctx, "maxmemory", bytes).Err(); err != nil {
				r.Errorf("setting maxmemory: %w", err)
			}
		}
	}
	r.fault(history.Fault{Name: "maxmemory"}, func() string {
		limit("1mb")
		r.pass(4 * time.Second)
		n := 0
		for _, node := range r.redis.nodes {
			one, _ := strconv.Atoi(cmp.Or(errorsOf(r, node.Client(r.stage), "OOM"), "0"))
			n += one
		}
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("%d commands were refused", n)
	})
	limit("0") // one node after another: that it is full has ended before
	r.pass(2 * time.Second)
}

// checkFull: publishers are refused at once, while sinks go on. The slowest of 100 is apart:
// a publisher waits for its own turn on the machine, too.
func checkFull(h *history.History, v *history.Verdict) {
	f := &h.Faults[0]
	// What was on its way; and at the end one server after another has room again.
	const settling = 200 * time.Millisecond
	var took []time.Duration
	for _, p := range h.Publishes {
		if !p.Channel && p.Began > f.Began+settling && p.Ended < f.Ended-settling {
			took = append(took, p.Ended-p.Began)
			if p.Outcome != history.Failed {
				v.Counts["published while full"]++
			}
		}
	}
	acked := 0
	for _, a := range h.Acks {
		if a.Done && a.Sent > f.Began && a.Confirmed < f.Ended {
			acked++
		}
	}
	if acked == 0 {
		v.Counts["no ack while full"]++
	}
	slices.Sort(took)
	if len(took) == 0 {
		v.Counts["no publish while full"]++
		return
	}
	const promised = 100 * time.Millisecond
	most, nearly := took[len(took)-1], took[len(took)*99/100]
	f.Proof += fmt.Sprintf("; %d publishes, 99 of 100 answered within %s, all within %s", len(took), nearly, most)
	if nearly > promised {
		v.Find("slow refusals", "one of 100 took %s or more, %s are promised", nearly, promised)
	}
}
