package main

import (
	"testing"

	"eventhub/internal/redistest"
)

// The ack goes in the exchange that reads the next event, and neither comes to Redis.
func TestAnEventWhoseAckWasLostComesAgainAsAnotherAttempt(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h&prefetch=1")
	published := h.publishMany("orders", 2)
	assertEvents(t, s.events(1), published[:1], 1)
	proxy.Blackhole()
	s.send(`{"type":"ack","stream":"orders","ids":["` + published[0] + `"],"ref":1}`)
	if f := s.next("error"); f.Code != "unconfirmed" && f.Code != "unavailable" {
		t.Fatalf("the ack was answered %+v", f)
	}
	proxy.CutAll() // with what was sent
	proxy.Restore()
	attempts := map[string]int{}
	for len(attempts) < 2 {
		e := s.events(1)[0]
		attempts[e.ID] = e.Attempt
		s.ack("orders", e.ID)
	}
	if attempts[published[0]] != 2 || attempts[published[1]] != 1 {
		t.Errorf("the attempts are %v, want 2 of %s, which was seen, and 1 of %s, which was not", attempts, published[0], published[1])
	}
}
