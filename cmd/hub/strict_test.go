package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"eventhub/internal/redistest"
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
	for len(sockets) > 0 {
		who, events := served(t, sockets...)
		s := sockets[who]
		for part := len(want) / len(sockets); ; { // all through one consumer
			if n := len(events); n > len(want) || !slices.Equal(ids(events), want[:n]) {
				t.Fatalf("got %v, want %v next", ids(events), want[:min(n, len(want))])
			}
			if part -= len(events); part <= 0 && len(sockets) > 1 {
				break // it holds these, and goes
			}
			s.ack("orders", ids(events)...)
			if want = want[len(events):]; len(want) == 0 {
				break
			}
			events = s.next("events").Events
		}
		for i, other := range sockets {
			if i != who && len(other.frames) > 0 {
				t.Errorf("another consumer got %+v", <-other.frames)
			}
		}
		s.drop()
		sockets = slices.Delete(sockets, who, who+1)
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

// again reads events, and acks them, until this one has come.
func again(s *socket, stream, last string) []string {
	s.t.Helper()
	var order []string
	for !slices.Contains(order, last) {
		for _, e := range s.next("events").Events {
			order = append(order, e.ID)
			s.ok(`{"type":"ack","stream":%q,"ids":[%q]}`, stream, e.ID)
		}
	}
	return order
}

func TestStrictSinkRepeatsAFailedEventBeforeAnythingBehindIt(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&order=strict&prefetch=6&ack_wait=1h")
	two.dial("/v1/sinks/billing/ws?stream=orders")
	id := one.publishMany("orders", 10)
	assertEvents(t, s.events(6), id[:6], 1)
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
	for _, e := range first {
		s.ok(`{"type":"ack","ids":[%q]}`, e.ID)
	}
	order := ids(first)
	if order[len(order)-1] != id[9] {
		order = append(order, again(s, "orders", id[9])...)
	}
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
	setting := "HUB_REDIS_URL=" + redistest.Start(t).URL()
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
	for _, e := range first {
		heir.ok(`{"type":"ack","ids":[%q]}`, e.ID)
	}
	order := append(ids(first), again(heir, "orders", id[29])...)
	if !slices.Equal(order, id[4:]) {
		t.Errorf("the heir got %v, want %v", order, id[4:])
	}
}

func TestStrictSinkGoesOnWhenAnEventIsADeadLetter(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+redistest.Start(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&order=strict&prefetch=2&max_deliveries=2&ack_wait=1h")
	id := h.publishMany("orders", 6)
	assertEvents(t, s.events(2), id[:2], 1)
	s.ok(`{"type":"nack","ids":[%q],"dead_letter":true}`, id[0]) // at once
	if order := again(s, "orders", id[2]); order[len(order)-1] != id[2] {
		t.Errorf("behind the dead letter came %v", order)
	}
	s.until(id[4])                              // and id[3] before it
	for attempt := 1; attempt <= 2; attempt++ { // after its last delivery
		s.ok(`{"type":"nack","ids":[%q]}`, id[3])
		s.aside = nil // came before
		f := s.next("events")
		if want := id[2+attempt]; f.Events[0].ID != want {
			t.Fatalf("after attempt %d came %+v, want %s first", attempt, f, want)
		}
	}
	buried(t, h, "billing", 2)
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
