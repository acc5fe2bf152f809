package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// consumer is one consumer of a sink, which connects again and again: to another hub
// when that fails, or when its hub tells it to. One goroutine.
type consumer struct {
	load    *load
	sink    string
	path    string
	first   int  // hub
	patient bool // it never pings
	random  *rand.Rand
	ref     int
	asked   map[int]asked // acks that were not answered
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
	c.asked = map[int]asked{}
	for {
		f, events, err := s.next()
		if err != nil {
			return after
		}
		switch f.Type {
		case "drain":
			after = f.After
		case "ok":
			c.answered(f)
		case "events":
			if !c.settle(s, events) {
				return "" // as a crash would
			}
		}
	}
}

// settle acks events, nacks some and forgets others. It returns false when the consumer
// is to crash.
func (c *consumer) settle(s *socket, events []event) bool {
	acks := map[string][]string{}
	calm := c.load.calm.Load()
	for _, e := range events {
		switch {
		case c.sink == poison && strings.HasSuffix(valueOf(e.Data), "7"): // those it refuses for ever
			_ = s.send(fmt.Sprintf(`{"type":"nack","stream":%q,"ids":[%q],"delay":"0s","reason":"never"}`, e.Stream, e.ID))
		case calm:
			acks[e.Stream] = append(acks[e.Stream], e.ID)
		case c.random.IntN(crashEvery) == 0:
			return false
		case c.sink != line && c.random.IntN(forgetEvery) == 0: // until ack_wait is over
		case c.random.IntN(nackEvery) == 0:
			_ = s.send(fmt.Sprintf(`{"type":"nack","stream":%q,"ids":[%q],"delay":"100ms"}`, e.Stream, e.ID))
		default:
			acks[e.Stream] = append(acks[e.Stream], e.ID)
		}
	}
	for stream, ids := range acks {
		c.ref++
		c.asked[c.ref] = asked{c.load.rec.Acks(acksOf(s.id, stream, ids)), ids}
		list, _ := json.Marshal(ids)
		_ = s.send(fmt.Sprintf(`{"type":"ack","stream":%q,"ids":%s,"ref":%d}`, stream, list, c.ref)) // a socket that ends is noticed by the next read
	}
	return true
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
