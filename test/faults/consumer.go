package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"eventhub/internal/hub"
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
	ref     int
	asked   map[int]asked // acks that were not answered
	working []working     // events whose acks are still to be sent, the oldest first
}

// working is an event that a consumer is going to ack.
type working struct {
	stream, id string
	due        time.Time
}

// asked is one ack frame.
type asked struct {
	first int // of its acks in the history
	ids   []string
}

// How often consumers misbehave: once in so many events.
const (
	crashEvery  = 300
	forgetEvery = 100
	nackEvery   = 40
)

func (c *consumer) run() {
	after := ""
	for at, failures := c.first, 0; ; {
		s, err := c.load.connect(c.sink, history.Sink, c.load.hub(at), c.path, c.patient)
		if err != nil {
			failures++
		} else {
			failures = 0
			after = c.consume(s)
			s.close()
		}
		at++
		if !c.load.reconnect(failures, after, c.random.Float64()) {
			return
		}
		after = ""
	}
}

// consume settles what comes until the socket ends, and returns how long to stay away.
func (c *consumer) consume(s *socket) (after string) {
	c.asked, c.working = map[int]asked{}, nil
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
			case r.Type == "ok":
				c.answered(r.frame)
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
		c.ref++
		c.asked[c.ref] = asked{c.load.rec.Acks(acksOf(s.id, stream, ids)), ids}
		list, _ := json.Marshal(ids)
		_ = s.send(fmt.Sprintf(`{"type":"ack","stream":%q,"ids":%s,"ref":%d}`, stream, list, c.ref)) // a socket that ends is noticed by the next read
	}
}

func acksOf(conn int, stream string, ids []string) []history.Ack {
	list := make([]history.Ack, len(ids))
	for i, text := range ids {
		id, _ := hub.ParseID(text)
		list[i] = history.Ack{Conn: conn, Topic: stream, ID: id}
	}
	return list
}

// answered notes what became of an ack. One that was answered by an error may have had an
// effect, and is left open.
func (c *consumer) answered(f frame) {
	ref, err := strconv.Atoi(string(f.Ref))
	a, ok := c.asked[ref]
	if err != nil || !ok {
		return
	}
	delete(c.asked, ref)
	a.note(c.load.rec, f.Acked)
}

func (a asked) note(rec *history.Recorder, acked []string) {
	done := map[string]bool{}
	for _, id := range acked {
		done[id] = true
	}
	for i, id := range a.ids {
		rec.Answer(a.first+i, done[id])
	}
}
