package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"eventhub/test/faults/history"
)

// crowdSockets is how many sockets a rolling restart moves, a third of them on each hub.
const crowdSockets = 2000

// crowd is subscribers of a channel where nothing happens, who come back when they are
// told to go.
type crowd struct {
	load *load
	all  sync.WaitGroup

	mu     sync.Mutex // protects the fields below
	drains []time.Duration
	lost   int // sockets that ended without a drain
	open   int
}

// drainCrowd restarts one hub after another while a crowd is connected.
func drainCrowd(r *rig) {
	c := &crowd{load: r.load}
	ctx, leave := context.WithCancel(r.ctx)
	r.Cleanup(func() {
		leave()
		c.all.Wait()
	})
	for i := range crowdSockets {
		c.all.Go(func() { c.stay(ctx, i) })
	}
	c.await(r, crowdSockets)
	for _, n := range r.hubs {
		r.fault(history.Fault{Name: "SIGTERM of hub " + n.name}, func() string {
			const grace = 8 * time.Second // HUB_SHUTDOWN_TIMEOUT
			took, graceful := n.terminate(grace + slack)
			if !graceful || took > grace {
				r.Errorf("hub %s was gone after %s, not within its %s: %s", n.name, took, grace, n.logs.tail())
				return ""
			}
			if err := n.start(r.ctx); err != nil {
				r.Fatal(err)
			}
			return fmt.Sprintf("exit 0 after %s", took.Round(time.Millisecond))
		})
		c.await(r, crowdSockets)
	}
	r.fault(history.Fault{Name: "a crowd that was told to go"}, func() string { return c.spread(r) })
}

// stay is one of the crowd.
func (c *crowd) stay(ctx context.Context, i int) {
	rest(ctx, time.Duration(i)*time.Millisecond)
	after := ""
	for at, failures := i, 0; ; at++ {
		s, err := c.load.connect("crowd", history.Broadcast, c.load.hub(at), "/v1/broadcast/ws?channel=empty", true)
		if err != nil {
			failures++
		} else {
			failures = 0
			after = c.listen(ctx, s)
		}
		if ctx.Err() != nil || !c.load.reconnect(failures, after, float64(i%10)/10) {
			return
		}
		after = ""
	}
}

// listen waits for the end of a socket, and returns how long to stay away.
func (c *crowd) listen(ctx context.Context, s *socket) (after string) {
	s.final.Store(true) // nothing will come
	c.count(1)
	defer c.count(-1)
	defer s.close()
	defer context.AfterFunc(ctx, func() { _ = s.conn.CloseNow() })()
	for {
		f, _, err := s.next()
		if err != nil {
			if after == "" && ctx.Err() == nil && c.load.ctx.Err() == nil {
				c.mu.Lock()
				c.lost++
				c.mu.Unlock()
			}
			return after
		}
		if f.Type == "drain" {
			after = f.After
			wait, _ := time.ParseDuration(after)
			c.mu.Lock()
			c.drains = append(c.drains, wait)
			c.mu.Unlock()
		}
	}
}

func (c *crowd) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += n
}

// await waits until so many of the crowd are connected.
func (c *crowd) await(r *rig, n int) {
	for began := time.Now(); ; r.pass(50 * time.Millisecond) {
		c.mu.Lock()
		open := c.open
		c.mu.Unlock()
		if open >= n || r.ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			r.Fatalf("only %d of %d sockets are there after a minute", open, n)
		}
	}
}

// spread says how the waits that drains have asked for lie, and complains of sockets that
// were not asked, and of waits that would have them all come at once.
func (c *crowd) spread(r *rig) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.drains)
	if len(c.drains) < crowdSockets || c.lost > 0 {
		r.Errorf("%d sockets were told to go, want at least %d, and %d ended without a word", len(c.drains), crowdSockets, c.lost)
		return ""
	}
	low, high := c.drains[len(c.drains)/10], c.drains[len(c.drains)*9/10]
	if high-low < time.Second/2 {
		r.Errorf("most of %d sockets were asked to come back between %s and %s, all at once", len(c.drains), low, high)
	}
	return fmt.Sprintf("%d drains; nine of ten ask for up to %s, one of ten for less than %s", len(c.drains), high, low)
}
