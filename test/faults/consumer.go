package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"eventhub/test/faults/history"
)

// consumer is one consumer of a sink, which connects again and again: to another hub
// when that fails, or when its hub tells it to. One goroutine, beside that which reads.
type consumer struct {
	load    *load
	sink    string
	path    string
	first   int           // hub
	patient bool          // it never pings
	hold    time.Duration // how long it works on an event before it acks it
	random  *rand.Rand
	working []working // events whose acks are still to be sent, the oldest first
}

// working is an event that a consumer is going to ack.
type working struct {
	stream, id string
	due        time.Time
}

// How often consumers misbehave: once in so many events.
const (
	crashEvery  = 300
	forgetEvery = 100
	nackEvery   = 40
)

func (c *consumer) run() {
	c.load.roam(c.first, c.random.Float64, func(at *node) (string, error) {
		s, err := c.load.connect(c.sink, history.Sink, at, c.path, c.patient)
		if err != nil {
			return "", err
		}
		defer s.close()
		return c.consume(s), nil
	})
}

// consume settles what comes until the socket ends, and returns how long to stay away.
func (c *consumer) consume(s *socket) (after string) {
	c.working = nil
	frames := s.frames()
	var late <-chan time.Time
	if c.hold > 0 {
		ticker := time.NewTicker(c.hold / 8)
		defer ticker.Stop()
		late = ticker.C
	}
	for {
		select {
		case r, open := <-frames:
			switch {
			case !open:
				return after
			case r.Type == "drain":
				after = r.After
			case r.Type == "events":
				if !c.settle(s, r.events) {
					return "" // as a crash would
				}
			}
		case <-late:
		}
		c.ack(s)
	}
}

// settle acks events, nacks some and forgets others. It returns false when the consumer
// is to crash.
func (c *consumer) settle(s *socket, events []event) bool {
	calm, due := c.load.calm.Load(), time.Now().Add(c.hold)
	refuses := c.sink == poison && !c.load.lenient.Load()
	for _, e := range events {
		switch {
		case refuses && strings.HasSuffix(valueOf(e.Data), "7"): // those it refuses until it is lenient
			_ = s.send(fmt.Sprintf(`{"type":"nack","stream":%q,"ids":[%q],"delay":"0s","reason":"never"}`, e.Stream, e.ID))
		case calm:
			c.working = append(c.working, working{e.Stream, e.ID, due})
		case c.random.IntN(crashEvery) == 0:
			return false
		case c.sink != line && c.random.IntN(forgetEvery) == 0: // until ack_wait is over
		case c.random.IntN(nackEvery) == 0:
			_ = s.send(fmt.Sprintf(`{"type":"nack","stream":%q,"ids":[%q],"delay":"100ms"}`, e.Stream, e.ID))
		default:
			c.working = append(c.working, working{e.Stream, e.ID, due})
		}
	}
	return true
}

// ack acks what has been worked on for long enough.
func (c *consumer) ack(s *socket) {
	acks, now := map[string][]string{}, time.Now()
	for len(c.working) > 0 && !c.working[0].due.After(now) {
		w := c.working[0]
		c.working = c.working[1:]
		acks[w.stream] = append(acks[w.stream], w.id)
	}
	for stream, ids := range acks {
		s.ack(stream, ids...)
	}
}
