package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
	"eventhub/test/faults/history"
)

func redisScenarios() []*scenario {
	var list []*scenario
	for _, kind := range everywhere() {
		list = append(list, killScenarios(kind)...)
	}
	list = append(list,
		&scenario{name: "client-kill", what: "CLIENT KILL of all connections, of a cluster on all masters, every 300 ms", on: everywhere(), fault: killClients},
		&scenario{
			name: "client-pause", what: "CLIENT PAUSE 2 s (on Sentinel 700 ms, lest it be a failover), of all commands and then of writes",
			on: everywhere(), fault: pauseClients,
		},
		&scenario{name: "script-flush", what: "SCRIPT FLUSH, of a cluster on all masters, every 100 ms", on: everywhere(), fault: flushScripts})
	for _, pause := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 6 * time.Second, 20 * time.Second} {
		for _, kind := range everywhere() {
			list = append(list, pauseScenario(pause, kind))
		}
	}
	return list
}

// killScenarios: Redis is started again before Sentinel or a cluster would do anything
// about it. That they do is for the failover scenarios.
func killScenarios(kind string) []*scenario {
	list := []*scenario{
		{
			name: "redis-kill-always", what: "kill -9 of Redis (of the primary, or a master), and its restart; appendfsync always", shortOn: []string{single},
			redis: []string{"--appendonly", "yes", "--appendfsync", "always"}, fault: func(r *rig) { killRedis(r, history.Fault{}) },
		},
		{
			// Redis puts a write of its file off for up to 2 s while the one before is being
			// flushed (server.aof_flush_postponed_start), and answers all the same.
			name: "redis-kill-everysec", what: "the same; appendfsync everysec",
			redis: []string{"--appendonly", "yes", "--appendfsync", "everysec"},
			fault: func(r *rig) { killRedis(r, history.Fault{Forfeits: true, Lag: 2 * time.Second}) },
		},
		{
			name: "redis-kill-none", what: "the same, and Redis keeps nothing",
			unmixed: true, // there it keeps what it has
			fault:   func(r *rig) { killRedis(r, history.Fault{Wipes: true}) },
		},
	}
	for _, s := range list {
		s.on, s.alone = []string{kind}, true
		s.outage, s.recovery = killDowntime(kind)+2*time.Second, 2*time.Second
		s.bounds.InFlight = 10 * time.Second
	}
	return list
}

// killDowntime is how long a Redis that is killed and started again serves nothing.
func killDowntime(kind string) time.Duration {
	switch kind {
	case single:
		return time.Second // by the scenario
	case cluster:
		return 2 * time.Second // by Redis: a master that comes back waits (CLUSTER_WRITABLE_DELAY)
	}
	return 0
}

// killRedis kills Redis, and starts it again: a single one after a second, and at once
// where somebody would take over.
func killRedis(r *rig, f history.Fault) {
	f.Name = "kill -9 of Redis"
	node := r.redis.primary(r)
	db := node.Client(r)
	before := info(r.ctx, db, "server", "run_id")
	r.fault(f, func() string {
		node.Kill()
		if r.redis.kind == single {
			r.pass(time.Second)
		}
		node.Restart()
		after := info(r.ctx, db, "server", "run_id")
		for after == "" && r.ctx.Err() == nil { // a connection of ours is dead, too
			r.pass(20 * time.Millisecond)
			after = info(r.ctx, db, "server", "run_id")
		}
		for r.redis.kind == cluster && r.ctx.Err() == nil && !strings.Contains(db.ClusterInfo(r.ctx).Val(), "cluster_state:ok") {
			r.pass(20 * time.Millisecond)
		}
		if before == "" || after == before || r.redis.primary(r) != node {
			return ""
		}
		return "another run_id"
	})
	r.pass(3 * time.Second)
	r.keepsPlace(node)
}

// keepsPlace ends the scenario where another node has the place of one that was back soon,
// as it was not soon enough on a machine this busy. That is a failover, which the scenario
// is not about: what it loses would be held against the hubs.
func (r *rig) keepsPlace(node *redistest.Server) {
	if r.redis.primary(r) != node {
		r.Fatal("Redis was started again too late: another node has its place")
	}
}

func killClients(r *rig) {
	masters := clientsOf(r)
	r.fault(history.Fault{Name: "CLIENT KILL"}, func() string {
		killed := int64(0)
		for range 10 {
			for _, db := range masters {
				for _, kind := range []string{"normal", "pubsub"} {
					n, err := db.Do(r.ctx, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes").Int64()
					if err != nil {
						r.Errorf("killing clients: %w", err)
					}
					killed += n
				}
			}
			r.pass(300 * time.Millisecond)
		}
		if killed == 0 {
			return ""
		}
		return fmt.Sprintf("%d connections were killed", killed)
	})
	r.pass(2 * time.Second)
}

// clientsOf are clients of the nodes that take writes.
func clientsOf(r *rig) []*redis.Client {
	masters := r.redis.masters(r)
	list := make([]*redis.Client, len(masters))
	for i, node := range masters {
		list[i] = node.Client(r)
	}
	return list
}

func pauseClients(r *rig) {
	pause := 2 * time.Second
	if r.redis.kind == sentinel {
		pause = 700 * time.Millisecond
	}
	db := r.redis.primary(r).Client(r)
	for _, mode := range []string{"ALL", "WRITE"} {
		r.fault(history.Fault{Name: "CLIENT PAUSE " + mode}, func() string {
			if err := db.Do(r.ctx, "CLIENT", "PAUSE", pause.Milliseconds(), mode).Err(); err != nil {
				r.Errorf("pausing clients: %w", err)
				return ""
			}
			began := time.Now()
			// That it takes long is what counts. The key is in the slot of the first stream.
			_ = db.Set(r.ctx, "fault:{"+streams()[0]+"}", mode, time.Minute).Err()
			if took := time.Since(began); took > pause/2 {
				return fmt.Sprintf("a SET took %s", took.Round(100*time.Millisecond))
			}
			return ""
		})
		r.pass(2 * time.Second)
	}
}

func flushScripts(r *rig) {
	masters := clientsOf(r)
	r.fault(history.Fault{Name: "SCRIPT FLUSH"}, func() string {
		flushed := 0
		for range 30 {
			for _, db := range masters {
				if n := info(r.ctx, db, "memory", "number_of_cached_scripts"); n != "0" && n != "" {
					flushed++
				}
				if err := db.ScriptFlush(r.ctx).Err(); err != nil {
					r.Errorf("flushing scripts: %w", err)
				}
			}
			r.pass(100 * time.Millisecond)
		}
		if flushed == 0 {
			return ""
		}
		return fmt.Sprintf("%d times there were scripts", flushed)
	})
	r.pass(time.Second)
}

// errorsOf is how often a Redis has answered an error, such as OOM.
func errorsOf(r *rig, db redis.UniversalClient, kind string) string {
	value := info(r.ctx, db, "errorstats", "errorstat_"+kind)
	_, n, _ := strings.Cut(value, "count=")
	return n
}
