package main

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
	"eventhub/test/faults/history"
)

func networkScenarios() []*scenario {
	shaped := func(name, what string, shape redistest.Shape) *scenario {
		return &scenario{name: "net-" + name, what: "between hubs and Redis, for 4 s: " + what, fault: func(r *rig) { shapeNetwork(r, name, shape) }}
	}
	list := []*scenario{
		shaped("latency", "200 ± 100 ms each way", redistest.Shape{Latency: 200 * time.Millisecond, Jitter: 100 * time.Millisecond}),
		shaped("resets", "1 % of the pieces end their connection", redistest.Shape{ResetEvery: 100}),
		shaped("slices", "one byte at a time", redistest.Shape{Slice: 1}),
		shaped("bandwidth", "64 KB/s for each connection", redistest.Shape{BytesPerSecond: 64 << 10}),
		{name: "net-replies", what: "answers of Redis are lost, and the connection with them, every 150 ms", fault: dropReplies, shortOn: []string{single}, broken: map[string]history.Violation{"fault_blind_retry": history.Duplicate}},
		{name: "net-blackhole", what: "between hubs and Redis (of a cluster, one master), nothing gets through for 15 s, and then what was sent", fault: func(r *rig) { blackhole(r, 15*time.Second) }},
		{name: "net-blackhole-5s", what: "the same for 5 s", fault: func(r *rig) { blackhole(r, 5*time.Second) }, shortOn: []string{single}},
		{name: "net-halfopen", what: "nothing gets through the present connections for 12 s, only through new ones", fault: freeze, broken: map[string]history.Violation{"fault_no_probe": history.Hole}},
	}
	for _, s := range list {
		s.proxied, s.on = true, everywhere()
		s.bounds = history.Bounds{InFlight: 20 * time.Second, Announce: 20 * time.Second, Tail: 8 * time.Second}
	}
	return list
}

func shapeNetwork(r *rig, name string, shape redistest.Shape) {
	r.fault(history.Fault{Name: "network: " + name}, func() string {
		for _, p := range r.redis.proxies {
			p.SetShape(shape)
		}
		r.pass(4 * time.Second)
		pieces, resets := 0, 0
		for _, p := range r.redis.proxies {
			p.Restore()
			more, cut := p.Shaped()
			pieces, resets = pieces+more, resets+cut
		}
		if pieces == 0 || shape.ResetEvery > 0 && resets == 0 {
			return ""
		}
		return fmt.Sprintf("%d pieces, %d resets", pieces, resets)
	})
	r.pass(2 * time.Second)
}

func dropReplies(r *rig) {
	r.fault(history.Fault{Name: "lost replies"}, func() string {
		for i := range 30 {
			// A pipeline goes by its first command; those of publishes and of sinks.
			for _, p := range r.redis.proxies {
				p.DropReplies(1, [][]string{{"xadd"}, {"evalsha"}, {"xreadgroup", "xack"}}[i%3]...)
			}
			r.pass(150 * time.Millisecond)
		}
		n := 0
		for _, p := range r.redis.proxies {
			p.Restore()
			n += p.Lost()
		}
		if n > 0 {
			return fmt.Sprintf("%d replies were lost", n)
		}
		return ""
	})
	r.pass(2 * time.Second)
}

func blackhole(r *rig, hole time.Duration) {
	way := r.redis.way(r.redis.primary(r))
	through := redis.NewClient(&redis.Options{Addr: way.Addr(), MaxRetries: -1, DialerRetries: 1, ReadTimeout: time.Second})
	r.Cleanup(func() { _ = through.Close() })
	r.fault(history.Fault{Name: "black hole"}, func() string {
		way.Blackhole()
		err := through.Ping(r.ctx).Err()
		r.pass(hole)
		way.Restore()
		if err == nil {
			return ""
		}
		return "no answer to PING through it"
	})
	r.pass(3 * time.Second)
}

// freeze is what a firewall does that has forgotten its connections.
func freeze(r *rig) {
	way := r.redis.way(r.redis.primary(r))
	through := redis.NewClient(&redis.Options{Addr: way.Addr(), MaxRetries: -1, DialerRetries: 1, PoolSize: 1, ReadTimeout: time.Second})
	r.Cleanup(func() { _ = through.Close() })
	if err := through.Ping(r.ctx).Err(); err != nil {
		r.Fatal(err)
	}
	r.fault(history.Fault{Name: "half-open connections"}, func() string {
		way.Freeze()
		old := through.Ping(r.ctx).Err()
		r.pass(12 * time.Second)
		if old == nil {
			return ""
		}
		return "no answer to PING over a connection from before"
	})
	r.pass(time.Second)
}
