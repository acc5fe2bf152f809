package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/test/faults/history"
)

func redisScenarios() []*scenario {
	list := []*scenario{
		{
			name: "redis-kill-always", what: "kill -9 of Redis, and its restart; appendfsync always", shortOn: []string{single},
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
			name: "redis-kill-none", what: "the same, and Redis keeps nothing", shortOn: []string{single},
			unmixed: true, // there it keeps what it has
			fault:   func(r *rig) { killRedis(r, history.Fault{Wipes: true}) },
		},
		{name: "client-kill", what: "CLIENT KILL of all connections, every 300 ms", fault: killClients},
		{name: "client-pause", what: "CLIENT PAUSE 2 s, of all commands and then of writes", fault: pauseClients},
		{name: "script-flush", what: "SCRIPT FLUSH, every 100 ms", fault: flushScripts},
	}
	for _, s := range list[:3] {
		s.outage, s.recovery = 3*time.Second, 2*time.Second
		s.bounds.InFlight = 10 * time.Second
	}
	for _, pause := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 6 * time.Second, 20 * time.Second} {
		var short []string
		if pause == 6*time.Second {
			short = []string{single}
		}
		list = append(list, &scenario{
			name: fmt.Sprintf("redis-pause-%s", pause), what: fmt.Sprintf("SIGSTOP of Redis for %s", pause), shortOn: short,
			bounds:   history.Bounds{InFlight: pause + 5*time.Second, Announce: pause + 10*time.Second, Tail: pause + 3*time.Second},
			fault:    func(r *rig) { pauseRedis(r, pause) },
			recovery: 2 * time.Second,
		})
	}
	return list
}

// killRedis kills the only Redis, and starts it again after a second.
func killRedis(r *rig, f history.Fault) {
	f.Name = "kill -9 of Redis"
	before := info(r.ctx, r.redis.db, "server", "run_id")
	r.fault(f, func() string {
		r.redis.nodes[0].Kill()
		r.pass(time.Second)
		r.redis.nodes[0].Restart()
		after := info(r.ctx, r.redis.db, "server", "run_id")
		for after == "" && r.ctx.Err() == nil { // a connection of ours is dead, too
			r.pass(20 * time.Millisecond)
			after = info(r.ctx, r.redis.db, "server", "run_id")
		}
		if before == "" || after == before {
			return ""
		}
		return "another run_id"
	})
	r.pass(3 * time.Second)
}

func pauseRedis(r *rig, pause time.Duration) {
	r.fault(history.Fault{Name: "SIGSTOP of Redis"}, func() string {
		r.redis.nodes[0].Pause()
		deaf := make(chan bool, 1)
		go func() { // waited for below
			ctx, cancel := context.WithTimeout(r.ctx, pause/2)
			defer cancel()
			deaf <- r.redis.db.Ping(ctx).Err() != nil
		}()
		r.pass(pause)
		r.redis.nodes[0].Resume()
		if !<-deaf {
			return ""
		}
		return "no answer to PING"
	})
	r.pass(3 * time.Second)
}

func killClients(r *rig) {
	r.fault(history.Fault{Name: "CLIENT KILL"}, func() string {
		killed := int64(0)
		for range 10 {
			for _, kind := range []string{"normal", "pubsub"} {
				n, err := r.redis.db.Do(r.ctx, "CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes").Int64()
				if err != nil {
					r.Errorf("killing clients: %w", err)
				}
				killed += n
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

func pauseClients(r *rig) {
	for _, mode := range []string{"ALL", "WRITE"} {
		r.fault(history.Fault{Name: "CLIENT PAUSE " + mode}, func() string {
			if err := r.redis.db.Do(r.ctx, "CLIENT", "PAUSE", 2000, mode).Err(); err != nil {
				r.Errorf("pausing clients: %w", err)
				return ""
			}
			began := time.Now()
			_ = r.redis.db.Set(r.ctx, "fault", mode, time.Minute).Err() // that it takes long is what counts
			if took := time.Since(began); took > time.Second {
				return fmt.Sprintf("a SET took %s", took.Round(100*time.Millisecond))
			}
			return ""
		})
		r.pass(2 * time.Second)
	}
}

func flushScripts(r *rig) {
	r.fault(history.Fault{Name: "SCRIPT FLUSH"}, func() string {
		flushed := 0
		for range 30 {
			if n := info(r.ctx, r.redis.db, "memory", "number_of_cached_scripts"); n != "0" && n != "" {
				flushed++
			}
			if err := r.redis.db.ScriptFlush(r.ctx).Err(); err != nil {
				r.Errorf("flushing scripts: %w", err)
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
