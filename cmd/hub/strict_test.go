package main

import (
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"
)

// served waits for the next frame of events on any of these sockets, and says
// which it was.
func served(t *testing.T, sockets ...*socket) (int, []event) {
	t.Helper()
	got, events := -1, []event(nil)
	eventually(t, func() string {
		for i, s := range sockets {
			if f, ok := s.passed(); ok && f.Type == "events" {
				got, events = i, f.Events
				return ""
			}
		}
		return "no consumer is served"
	})
	return got, events
}

func TestStrictSinkServesOneConsumerInTheCluster(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const path = "/v1/sinks/billing/ws?stream=orders&order=strict&prefetch=10"
	sockets := []*socket{one.dial(path), two.dial(path), one.dial(path), two.dial(path)}
	want := one.publishMany("orders", 300)
	for part := 0; len(want) > 0; {
		who, events := served(t, sockets...)
		n := len(events)
		if n > len(want) || !slices.Equal(ids(events), want[:n]) {
			t.Fatalf("got %v, want %v next", ids(events), want[:min(n, len(want))])
		}
		two.want(http.StatusOK, "GET", "/v1/sinks/billing", "") // time for others to be served
		for i, other := range sockets {
			if i != who && len(other.frames) > 0 {
				t.Fatalf("while %v are held another consumer got %+v", ids(events), <-other.frames)
			}
		}
		if part += n; part > 75 && len(sockets) > 1 { // it goes, with what it holds
			part = 0
			sockets[who].drop()
			sockets = slices.Delete(sockets, who, who+1)
			continue
		}
		sockets[who].ack("orders", ids(events)...)
		want = want[n:]
	}
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestStrictSinkServesEachStreamByItself(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	first := one.dial("/v1/sinks/billing/ws?stream=orders&order=strict&ack_wait=1h")
	second := two.dial("/v1/sinks/billing/ws?stream=payments")
	orders, payments := one.publish("orders", `{"data":1}`), one.publish("payments", `{"data":1}`)
	assertEvents(t, first.events(1), []string{orders}, 1)
	assertEvents(t, second.events(1), []string{payments}, 1)
	both := two.dial("/v1/sinks/billing/ws?stream=orders&stream=payments")
	first.drop()
	assertEvents(t, both.events(1), []string{orders}, 2)
	next := one.publish("payments", `{"data":2}`)
	assertEvents(t, second.events(1), []string{next}, 1)
}

// again acks these events, and those that come, until this one has come.
func again(s *socket, stream, last string, events ...event) []string {
	s.t.Helper()
	var order []string
	for {
		for _, e := range events {
			order = append(order, e.ID)
			s.ok(`{"type":"ack","stream":%q,"ids":[%q]}`, stream, e.ID)
		}
		if slices.Contains(order, last) {
			return order
		}
		events = s.next("events").Events
	}
}

func TestStrictSinkRepeatsAFailedEventBeforeAnythingBehindIt(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&order=strict&prefetch=6&ack_wait=1h")
	id := one.publishMany("orders", 10)
	assertEvents(t, s.events(6), id[:6], 1)
	two.dial("/v1/sinks/billing/ws?stream=orders")
	s.ack("orders", id[0])
	s.until(id[6])
	nacked := time.Now()
	if f := s.ok(`{"type":"nack","ids":[%q],"delay":"700ms"}`, id[2]); len(f.Nacked) != 1 {
		t.Fatalf("the nack was answered %+v", f)
	}
	s.ack("orders", id[1]) // which gives credit, for nothing yet
	first := s.next("events").Events
	if took := time.Since(nacked); took < 700*time.Millisecond-truncated {
		t.Errorf("%v came %s after the nack, want 700 ms", ids(first), took)
	}
	if first[0].ID != id[2] || first[0].Attempt != 2 {
		t.Errorf("first came %+v, want %s", first[0], id[2])
	}
	order := again(s, "orders", id[9], first...)
	if !slices.Equal(order, id[2:]) {
		t.Errorf("after the nack came %v, want %v", order, id[2:])
	}
}

func TestStrictSinkRepeatsATimedOutEventBeforeAnythingBehindIt(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&order=strict&prefetch=5&ack_wait=800ms&backoff=300ms")
	waiting := two.dial("/v1/sinks/billing/ws?stream=orders")
	id := one.publishMany("orders", 8)
	assertEvents(t, s.events(5), id[:5], 1)
	s.ack("orders", id[0], id[2])
	s.until(id[6])
	var order []string
	for !slices.Contains(order, id[7]) {
		who, events := served(t, s, waiting) // whoever is free goes on
		for _, e := range events {
			order = append(order, e.ID)
			[]*socket{s, waiting}[who].ok(`{"type":"ack","ids":[%q]}`, e.ID)
		}
	}
	if want := []string{id[1], id[3], id[4], id[5], id[6], id[7]}; !slices.Equal(order, want) {
		t.Errorf("after the timeout came %v, want %v", order, want)
	}
}

func TestStrictSinkIsTakenOverWhenItsHubIsKilled(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	doomed, other := startProcess(t, setting), startHub(t, setting)
	served := doomed.dial("/v1/sinks/billing/ws?stream=orders&order=strict&ack_wait=500ms&prefetch=10")
	heir := other.dial("/v1/sinks/billing/ws?stream=orders")
	id := other.publishMany("orders", 30)
	assertEvents(t, served.events(10), id[:10], 1)
	served.ack("orders", id[:4]...)
	served.events(4)
	doomed.kill()
	killed := time.Now()
	first := heir.next("events").Events
	if took := time.Since(killed); took > 500*time.Millisecond+3*time.Second {
		t.Errorf("the sink was taken over after %s, want ack_wait + 2 s at most", took)
	}
	if order := again(heir, "orders", id[29], first...); !slices.Equal(order, id[4:]) {
		t.Errorf("the heir got %v, want %v", order, id[4:])
	}
}

// A hub that stood still wakes up believing that it is its consumer's turn.
func TestStrictSinkHasOneConsumerAfterAHubStoodStill(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	stopped, other := startProcess(t, setting), startHub(t, setting)
	id := other.publishMany("orders", 20)
	old := stopped.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&order=strict&ack_wait=2s&prefetch=5")
	assertEvents(t, old.events(5), id[:5], 1)
	old.ack("orders", id[0])
	old.until(id[5])
	stopped.signal(syscall.SIGSTOP)
	heir := other.dial("/v1/sinks/billing/ws?stream=orders&prefetch=1")
	first := heir.events(1)
	assertEvents(t, first, id[1:2], 2)
	stopped.signal(syscall.SIGCONT)
	if f := old.ok(`{"type":"extend","ids":[%q]}`, id[1]); len(f.Extended) > 0 {
		t.Errorf("who had the turn before was answered %+v", f)
	}
	if order := again(heir, "orders", id[19], first...); !slices.Equal(order, id[1:]) {
		t.Errorf("the heir got %v, want %v", order, id[1:])
	}
	if f, ok := old.passed(); ok {
		t.Errorf("who had the turn before got %+v", f)
	}
}

func TestStrictSinkGoesOnWhenAnEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&order=strict&prefetch=1&max_deliveries=2&ack_wait=1h")
	id := h.publishMany("orders", 4)
	assertEvents(t, s.events(1), id[:1], 1)
	s.ok(`{"type":"nack","ids":[%q],"dead_letter":true}`, id[0]) // at once
	for attempt := 1; attempt <= 2; attempt++ {                  // after its last delivery
		assertEvents(t, s.events(1), id[1:2], attempt)
		s.ok(`{"type":"nack","ids":[%q]}`, id[1])
	}
	assertEvents(t, s.events(1), id[2:3], 1)
	s.ack("orders", id[2])
	assertEvents(t, s.events(1), id[3:], 1)
	if letters := buried(t, h, "billing", 2); !slices.Equal(letterIDs(letters), id[:2]) {
		t.Errorf("dead letters: %+v", letters)
	}
}

func TestStrictConsumerKeepsWhatIsBehindADeadLetter(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&order=strict&prefetch=3&max_deliveries=1&ack_wait=1h")
	id := h.publishMany("orders", 6)
	assertEvents(t, s.events(3), id[:3], 1)
	s.ok(`{"type":"nack","ids":[%q],"dead_letter":true}`, id[0])
	assertEvents(t, s.events(1), id[3:4], 1)
	s.ok(`{"type":"nack","ids":[%q]}`, id[1]) // was its only attempt
	assertEvents(t, s.events(1), id[4:5], 1)
	if f := s.ack("orders", id[2], id[3], id[4]); len(f.Acked) != 3 {
		t.Errorf("the ack was answered %+v", f)
	}
	assertEvents(t, s.events(1), id[5:], 1)
	if f := sinkFigures(t, h, "billing"); f["pending"] != 1.0 || f["redelivered"] != 0.0 || f["dead_letters"] != 2.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestStrictSinkIsPulledInOrder(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.put("billing", `{"streams":["orders"],"from":"oldest","order":"strict"}`)
	id := one.publishMany("orders", 6)
	for i := 0; i < 6; i += 2 {
		h := []*testHub{one, two}[i/2%2]
		if got := h.pull("billing", "", `{"max":2,"wait":"20s"}`); !slices.Equal(ids(got), id[i:i+2]) {
			t.Fatalf("pull %d got %v, want %v", i/2, ids(got), id[i:i+2])
		}
		h.settle("billing", "nacks", `{"stream":"orders","ids":[%q],"delay":"0s"}`, id[i])
		got := h.pull("billing", "", `{"max":1,"wait":"20s"}`)
		if len(got) != 1 || got[0].ID != id[i] || got[0].Attempt != 2 {
			t.Fatalf("after the nack came %+v, want %s", got, id[i])
		}
		acked := h.settle("billing", "acks", `{"stream":"orders","ids":%s}`, list(id[i:i+2]...))
		if len(acked["acked"]) != 2 {
			t.Errorf("the ack was answered %s", fmt.Sprint(acked))
		}
	}
}
