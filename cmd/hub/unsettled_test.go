package main

import (
	"net/http"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// The ack goes with the read of the next event, and neither comes to Redis. That of an
// event that has failed before takes another way there.
func TestAnEventWhoseAckWasLostComesAgainAsAnotherAttempt(t *testing.T) {
	t.Parallel()
	for seen, name := range map[int]string{1: "the first time", 2: "the second time"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ackIsLost(t, seen)
		})
	}
}

// ackIsLost loses the ack of an event that was delivered so many times.
func ackIsLost(t *testing.T, seen int) {
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h&prefetch=1")
	published := []string{h.publish("orders", `{"data":1}`)}
	for attempt := range seen {
		assertEvents(t, s.events(1), published, attempt+1)
		if attempt+1 < seen {
			s.ok(`{"type":"nack","stream":"orders","ids":[%q],"delay":"0s"}`, published[0])
		}
	}
	published = append(published, h.publish("orders", `{"data":2}`))
	proxy.Blackhole()
	s.send(`{"type":"ack","stream":"orders","ids":["` + published[0] + `"],"ref":"lost"}`)
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
	if attempts[published[0]] != seen+1 || attempts[published[1]] != 1 {
		t.Errorf("the attempts are %v, want %d of %s, which was seen, and 1 of %s, which was not", attempts, seen+1, published[0], published[1])
	}
}

// Its consumer was the only one here, and another one comes.
func TestAnEventWhoseAckWasLostIsRememberedWhenItsConsumerLeaves(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	const path = "/v1/sinks/billing/ws?stream=orders&ack_wait=1h&prefetch=2"
	s := h.dial(path)
	seen := h.publish("orders", `{"data":1}`)
	assertEvents(t, s.events(1), []string{seen}, 1)
	proxy.Blackhole()
	s.send(`{"type":"ack","stream":"orders","ids":["` + seen + `"],"ref":"lost"}`)
	if f := s.next("error"); f.Code != "unconfirmed" && f.Code != "unavailable" {
		t.Fatalf("the ack was answered %+v", f)
	}
	s.drop()
	proxy.CutAll() // with what was sent
	proxy.Restore()

	eventually(t, func() string {
		if answer := h.call("GET", "/readyz", ""); answer.StatusCode != http.StatusOK {
			return "the hub is not ready"
		}
		return ""
	})
	heir := h.dial(path)
	proxy.DropReplies(1, "xreadgroup") // that one by which it gets what others add
	unseen := server.Client(t).XAdd(t.Context(), &redis.XAddArgs{Stream: "hub:{orders}:log", Values: []string{"data", "2"}}).Val()
	attempts := map[string]int{}
	for len(attempts) < 2 {
		for _, e := range heir.next("events").Events {
			attempts[e.ID] = e.Attempt
			heir.ack("orders", e.ID)
		}
	}
	if attempts[seen] != 2 || attempts[unseen] != 1 {
		t.Errorf("the attempts are %v, want 2 of %s, which was seen, and 1 of %s, which was not", attempts, seen, unseen)
	}
}
