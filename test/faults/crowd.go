package main

import (
	"fmt"
	"sync"
	"time"

	"eventhub/test/faults/history"
)

// What the crowd is that a rolling restart moves, a third of it on each hub. Who is none of
// these is a subscriber of a channel where nothing happens.
const (
	crowdSockets     = 2000
	crowdHolders     = 400 // consumers of the sink work
	crowdReaders     = 100
	crowdSubscribers = 100 // of the channel
	crowdLimit       = time.Minute
)

// crowd is what is known of it beside its history.
type crowd struct {
	load *load

	mu      sync.Mutex      // protects the fields below
	lost    int             // quiet sockets that ended without a drain
	waits   []time.Duration // that the others were told
	holders map[int]bool
}

// drainCrowd restarts one hub after another while a crowd is connected.
func drainCrowd(r *rig) {
	c := &crowd{load: r.load, holders: map[int]bool{}}
	c.gather()
	c.await(r)
	for _, n := range r.hubs {
		r.fault(history.Fault{Name: "SIGTERM of hub " + n.name}, func() string {
			const grace = 8 * time.Second // HUB_SHUTDOWN_TIMEOUT
			began := r.rec.Now()
			took, graceful := n.terminate(grace + slack)
			if !graceful || took > grace {
				r.Errorf("hub %s was gone after %s, not within its %s: %s", n.name, took, grace, n.logs.tail())
				return ""
			}
			if err := n.start(r.ctx); err != nil {
				r.Fatal(err)
			}
			c.await(r)
			h := r.rec.History()
			return fmt.Sprintf("exit 0 after %s; %s", took.Round(time.Millisecond), spread(&h, began))
		})
	}
	r.pass(2 * time.Second)
	r.fault(history.Fault{Name: "a crowd that was told to go"}, func() string { return c.leave(r) })
}

// gather has the crowd come, each a millisecond after the one before.
func (c *crowd) gather() {
	l := c.load
	for i := range crowdSockets {
		member := func() { c.stay(i) }
		switch {
		case i < crowdHolders:
			h := &holder{crowd: c, random: l.random(fmt.Sprintf("holder-%d", i)), first: i}
			member = h.run
		case i < crowdHolders+crowdReaders:
			name := fmt.Sprintf("crowd-reader-%d", i)
			l.rec.Feed(history.Feed{Kind: history.Reader, Name: name, Topics: streams()})
			member = func() { l.read(name, streams(), "", i) }
		case i < crowdHolders+crowdReaders+crowdSubscribers:
			member = func() { l.listen(i) }
		}
		l.all.Go(func() {
			if rest(l.ctx, time.Duration(i)*time.Millisecond) {
				member()
			}
		})
	}
}

// stay is a quiet member, who comes back when it is told to go.
func (c *crowd) stay(i int) {
	jitter := func() float64 { return float64(i%10) / 10 }
	c.load.roam(i, jitter, func(at *node) (string, error) {
		s, err := c.load.connect("crowd", history.Broadcast, at, "/v1/broadcast/ws?channel=empty", true)
		if err != nil {
			return "", err
		}
		return c.listen(s), nil
	})
}

// listen waits for the end of a socket, and returns how long to stay away.
func (c *crowd) listen(s *socket) (after string) {
	s.final.Store(true) // nothing will come
	defer s.close()
	for {
		f, _, err := s.next()
		if err != nil {
			if after == "" && c.load.ctx.Err() == nil {
				c.mu.Lock()
				c.lost++
				c.mu.Unlock()
			}
			return after
		}
		if f.Type == "drain" {
			after = f.After
			wait, err := time.ParseDuration(after)
			if err != nil {
				wait = -1
			}
			c.mu.Lock()
			c.waits = append(c.waits, wait)
			c.mu.Unlock()
		}
	}
}

// await waits until all of the crowd are connected, beside the clients that every load has.
func (c *crowd) await(r *rig) {
	for began := time.Now(); r.ctx.Err() == nil; r.pass(50 * time.Millisecond) {
		c.load.mu.Lock()
		open := len(c.load.sockets)
		c.load.mu.Unlock()
		if open >= crowdSockets {
			return
		}
		if time.Since(began) > crowdLimit {
			r.Fatalf("only %d of %d sockets are there after %s", open, crowdSockets, crowdLimit)
		}
	}
}

// leave says what became of what holders held, and complains of quiet sockets that were
// not told to go.
func (c *crowd) leave(r *rig) string {
	h := r.rec.History()
	c.mu.Lock()
	defer c.mu.Unlock()
	quiet := crowdSockets - crowdHolders - crowdReaders - crowdSubscribers
	if c.lost > 0 {
		r.complaints.add("%d sockets ended without a word", c.lost)
	}
	if what := bunched(c.waits); what != "" {
		r.complaints.add("%s", what)
	}
	back, wrong := takenBack(&h, c.holders, crowdAckWait)
	for _, what := range wrong {
		r.complaints.add("%s", what)
	}
	if len(c.waits) < quiet || back == 0 {
		return ""
	}
	return fmt.Sprintf("%d drains of %d quiet sockets, told to come back spread over %s, at most %.0f %% within %s; %d events were taken back, each with its old attempt",
		len(c.waits), quiet, spreadOver, 100*mostAtOnce(c.waits), spreadSlice, back)
}

// spread says how the sockets that were opened since a hub was told to go lie in time: as
// they were told, and as the machine could let them in.
func spread(h *history.History, since time.Duration) string {
	var opened []time.Duration
	for i := range h.Conns {
		if c := &h.Conns[i]; c.Opened >= since {
			opened = append(opened, c.Opened)
		}
	}
	return fmt.Sprintf("%d sockets came back, at most %.0f %% of them within %s", len(opened), 100*mostAtOnce(opened), spreadSlice)
}

// The waits that a hub which goes tells its sockets are spread evenly over 3 s.
const (
	spreadOver  = 3 * time.Second
	spreadSlice = 250 * time.Millisecond
	spreadShare = 0.15 // of all within a slice, where evenly were 0.08
)

// mostAtOnce is which share of some times lies within one slice.
func mostAtOnce(times []time.Duration) float64 {
	slices := map[time.Duration]int{}
	most := 0
	for _, at := range times {
		slices[at/spreadSlice]++
		most = max(most, slices[at/spreadSlice])
	}
	return float64(most) / float64(max(len(times), 1))
}

// bunched says what is wrong with the waits that sockets were told, "" for nothing.
func bunched(waits []time.Duration) string {
	if share := mostAtOnce(waits); share > spreadShare {
		return fmt.Sprintf("%.0f %% of %d sockets were told to come back within the same %s, at most %.0f %% are to", 100*share, len(waits), spreadSlice, 100*spreadShare)
	}
	for _, wait := range waits {
		if wait < 0 || wait > spreadOver {
			return fmt.Sprintf("a socket was told to come back after %s, at most %s are to be", wait, spreadOver)
		}
	}
	return ""
}
