package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

const (
	// crowdAckWait is that of the sinks of a crowd: longer than a drain, so that what comes
	// again was taken back, and has not timed out.
	crowdAckWait = 8 * time.Second
	// holdFor is how long a holder works at an event: it acks it while its hub drains.
	holdFor = 500 * time.Millisecond
)

// holder is a consumer who acks one event at once, the next after a while and the third
// never: its hub takes back what it holds when it goes. It neither nacks nor crashes.
type holder struct {
	crowd  *crowd
	first  int        // hub
	random *rand.Rand // owned by run
}

func (h *holder) run() {
	load := h.crowd.load
	path := "/v1/sinks/" + work + "/ws?from=oldest&stream=" + strings.Join(streams(), "&stream=") + "&prefetch=2&max_deliveries=0&ack_wait=" + crowdAckWait.String()
	load.roam(h.first, h.random.Float64, func(at *node) (string, error) {
		s, err := load.connect(work, history.Sink, at, path, true)
		if err != nil {
			return "", err
		}
		defer s.close()
		h.crowd.holds(s)
		return h.consume(s), nil
	})
}

// consume takes what comes until the socket ends, and returns how long to stay away.
func (h *holder) consume(s *socket) (after string) {
	for {
		f, events, err := s.next()
		if err != nil {
			return after
		}
		switch f.Type {
		case "drain":
			after = f.After
		case "events":
			for _, e := range events {
				h.take(s, e)
			}
		}
	}
}

func (h *holder) take(s *socket, e event) {
	load := h.crowd.load
	n := h.random.IntN(3)
	switch {
	case n == 0 || load.calm.Load():
		s.ack(e.Stream, e.ID)
	case n == 1:
		load.all.Go(func() {
			if rest(load.ctx, holdFor) {
				s.ack(e.Stream, e.ID)
			}
		})
	}
}

// holds notes that a socket is a holder's.
func (c *crowd) holds(s *socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holders[s.id] = true
}

// takenBack counts the events that came again with their old attempt, as a hub that went
// had taken them back from a holder, and finds those whose attempt it has counted.
func takenBack(h *history.History, holders map[int]bool, ackWait time.Duration) (back int, wrong []string) {
	type place struct {
		stream string
		id     hub.ID
	}
	settled := map[place]bool{} // or being settled
	for _, a := range h.Acks {
		if holders[a.Conn] {
			settled[place{a.Topic, a.ID}] = true
		}
	}
	before := map[place]history.Delivery{}
	for _, d := range h.Deliveries {
		if h.Conns[d.Conn].Feed != work {
			continue
		}
		at := place{d.Topic, d.ID}
		last, again := before[at]
		before[at] = d
		held := h.Conns[max(last.Conn, 0)]
		// What was held for nearly as long as is allowed may have timed out instead.
		if !again || settled[at] || !holders[last.Conn] || !held.Drained || held.Ended == 0 || held.Ended-last.At > ackWait-time.Second {
			continue
		}
		if back++; d.Attempt != last.Attempt {
			wrong = append(wrong, fmt.Sprintf("%s of %s was taken back from connection %d as attempt %d, and came to connection %d as attempt %d", d.ID, d.Topic, last.Conn, last.Attempt, d.Conn, d.Attempt))
		}
	}
	return back, wrong
}
