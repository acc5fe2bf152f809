package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/test/faults/history"
)

// idleScenarios are about what hubs do while Redis gives them nothing.
func idleScenarios() []*scenario {
	return []*scenario{
		{
			name: "redis-gone", what: "kill -9 of Redis, which is gone for 8 s: no hub tries to connect more than 50 times a second", proxied: true, unmixed: true,
			redis: []string{"--appendonly", "yes", "--appendfsync", "always"}, bounds: history.Bounds{InFlight: 15 * time.Second, Announce: 20 * time.Second, Tail: 12 * time.Second},
			fault: loseRedis, recovery: 2 * time.Second,
		},
		{
			name: "redis-empty", what: "FLUSHALL, and nothing is published for 8 s: no hub sends more than 100 commands a second", unmixed: true,
			on: []string{single}, fault: emptyRedis,
		},
	}
}

// loseRedis kills Redis, and counts who looks for it.
func loseRedis(r *rig) {
	r.fault(history.Fault{Name: "kill -9 of Redis, for 8 s"}, func() string {
		r.redis.nodes[0].Kill()
		each := r.watch(8)
		gone := r.redis.db.Ping(r.ctx).Err()
		r.redis.nodes[0].Restart()
		if gone == nil || slices.Max(each) == 0 {
			return ""
		}
		return fmt.Sprintf("%d hubs tried to connect so often in each second: %v", len(r.hubs), each)
	})
	r.pass(3 * time.Second)
}

// emptyRedis has Redis forget everything while nobody publishes, and counts what hubs do.
func emptyRedis(r *rig) {
	r.load.hush()
	flushAll(r) // and what was lost is made again
	clients := make([]*redis.Client, len(r.redis.nodes))
	for i, node := range r.redis.nodes {
		clients[i] = node.Client(r)
	}
	r.fault(history.Fault{Name: "nothing to read"}, func() string {
		const during = 5 * time.Second
		before, err := r.redis.commands(r.ctx, clients)
		began := time.Now()
		r.pass(during)
		took := time.Since(began)
		after, failed := r.redis.commands(r.ctx, clients)
		if err != nil || failed != nil {
			return ""
		}
		total, words := 0, []string{}
		for _, name := range slices.Sorted(maps.Keys(after)) {
			if n := after[name] - before[name]; n > 0 {
				total += n
				words = append(words, fmt.Sprintf("%s %d", name, n))
			}
		}
		r.complaints.hold("commands ("+strings.Join(words, ", ")+")", total, took, len(r.hubs), commandsPerSecond)
		return fmt.Sprintf("%d hubs sent %d commands in %s: %s", len(r.hubs), total, took.Round(time.Millisecond), strings.Join(words, ", "))
	})
}
