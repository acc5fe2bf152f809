package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// pendingEvent is an event that a sink owes, as it is shown.
type pendingEvent struct {
	Stream, ID, State, Transport, Hub, Consumer string
	HeldSeconds                                 float64 `json:"held_seconds"`
	DueInSeconds                                float64 `json:"due_in_seconds"`
	Attempts                                    int
}

// pendingEvents are those that a sink owes, at most 100 of a stream.
func pendingEvents(t *testing.T, h *testHub, sink string) []pendingEvent {
	t.Helper()
	return pendingPage(t, h, "/v1/sinks/"+sink+"/pending")
}

func pendingPage(t *testing.T, h *testHub, path string) []pendingEvent {
	t.Helper()
	answer := h.call("GET", path, "")
	var page struct{ Pending []pendingEvent }
	if err := json.Unmarshal(answer.body, &page); err != nil || answer.StatusCode != http.StatusOK || page.Pending == nil {
		t.Fatalf("what is pending: %d %s", answer.StatusCode, answer.body)
	}
	return page.Pending
}

func TestPendingTellsWhoHoldsWhatForHowLong(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h&consumer=worker-7")
	id := one.publishMany("orders", 4)
	s.events(4)
	s.ok(`{"type":"nack","ids":[%q],"delay":"30m"}`, id[1])
	s.ok(`{"type":"nack","ids":[%q],"delay":"0s"}`, id[2])
	s.events(1)
	s.ok(`{"type":"pause"}`)
	other := one.publish("orders", `{"data":1}`)
	pulled := two.pull("billing", "", `{"wait":"10s"}`)
	assertEvents(t, pulled, []string{other}, 1)
	s.ack("orders", id[3])

	hub := one.want(http.StatusOK, "GET", "/v1/sinks/billing", "")["consumers"].([]any)[0].(map[string]any)["hub"].(string)
	for who, h := range map[string]*testHub{"the hub that holds them": one, "another hub": two} {
		var got []string
		for _, p := range pendingEvents(t, h, "billing") {
			if p.State == "held" && (p.HeldSeconds < 0 || p.HeldSeconds > 60 || p.DueInSeconds != 0) {
				t.Errorf("%s says %+v", who, p)
			}
			if p.State == "waiting" && (p.DueInSeconds < 1700 || p.DueInSeconds > 1800 || p.HeldSeconds != 0) {
				t.Errorf("%s says %+v", who, p)
			}
			if h == two && p.Consumer == "" && p.Transport == "websocket" {
				p.Consumer = "worker-7" // is told where it is known
			}
			got = append(got, fmt.Sprint(p.Stream, p.ID, p.State, p.Transport, p.Hub, p.Consumer, p.Attempts))
		}
		want := []string{
			fmt.Sprint("orders", id[0], "held", "websocket", hub, "worker-7", 1),
			fmt.Sprint("orders", id[1], "waiting", "", "", "", 1),
			fmt.Sprint("orders", id[2], "held", "websocket", hub, "worker-7", 2),
			fmt.Sprint("orders", other, "held", "http", "", "", 1),
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s says %q, want %q", who, got, want)
		}
	}
	if page := pendingPage(t, two, "/v1/sinks/billing/pending?limit=2"); len(page) != 2 || page[0].ID != id[0] || page[1].ID != id[1] {
		t.Errorf("the oldest two: %+v", page)
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?cursor=x"} {
		one.want(http.StatusBadRequest, "GET", "/v1/sinks/billing/pending"+query, "")
	}
	one.want(http.StatusNotFound, "GET", "/v1/sinks/unknown/pending", "")
}

// seek moves a sink, and checks the answer.
func (h *testHub) seek(sink, stream, to string) {
	h.t.Helper()
	answer := h.want(http.StatusOK, "POST", "/v1/sinks/"+sink+"/seek", fmt.Sprintf(`{"stream":%q,"to":%q}`, stream, to))
	if answer["stream"] != stream || answer["to"] != to {
		h.t.Errorf("the seek to %s was answered %v", to, answer)
	}
}

func TestSeekMovesASinkEverywhere(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=5&ack_wait=1h")
	id := one.publishMany("orders", 5)
	var all []event
	for range 2 { // back to the beginning, for what was done and for what is held
		all = s.events(5)
		assertEvents(t, all, id, 1)
		s.ack("orders", id[:3]...)
		two.seek("billing", "orders", "oldest")
	}
	assertEvents(t, s.events(5), id, 1)
	two.seek("billing", "orders", "after:"+id[2])
	assertEvents(t, s.events(2), id[3:], 1)
	two.seek("billing", "orders", "at:"+all[0].Time) // inclusive
	assertEvents(t, s.events(5), id, 1)

	// To the end: what is held, what waits and what was never read is done with.
	s.ok(`{"type":"nack","ids":[%q],"delay":"1h"}`, id[0])
	s.ok(`{"type":"nack","ids":[%q],"delay":"200ms"}`, id[1])
	s.ok(`{"type":"pause"}`)
	one.publishMany("orders", 5)
	two.seek("billing", "orders", "latest")
	if f := sinkFigures(t, one, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	if pending := pendingEvents(t, two, "billing"); len(pending) > 0 {
		t.Errorf("pending: %+v", pending)
	}
	eventually(t, func() string { // its hub has heard of it
		for _, c := range one.want(http.StatusOK, "GET", "/v1/sinks/billing", "")["consumers"].([]any) {
			if held := c.(map[string]any)["in_flight"]; held != 0.0 {
				return fmt.Sprintf("the consumer is said to hold %v events", held)
			}
		}
		return ""
	})
	s.ok(`{"type":"resume"}`)
	if f := s.ack("orders", id[4]); len(f.Acked) > 0 {
		t.Errorf("the ack of what was held was answered %+v", f)
	}
	want := one.publishMany("orders", 5) // with all its credit
	s.aside = nil
	assertEvents(t, s.events(5), want, 1)
	if f := s.ack("orders", want...); len(f.Acked) != 5 {
		t.Errorf("the ack was answered %+v", f)
	}
}

func TestSeekConcernsOneStreamAndOneSink(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.put("billing", `{"streams":["orders","payments"],"from":"oldest"}`)
	one.put("audit", `{"streams":["orders"],"from":"oldest"}`)
	orders := one.publishMany("orders", 3)
	one.publishMany("payments", 3)
	one.pull("audit", "", "")
	one.settle("audit", "acks", `{"stream":"orders","ids":%s}`, list(orders...))
	two.seek("billing", "orders", "after:"+orders[1])
	got := map[string]int{}
	for events := one.pull("billing", "", ""); len(events) > 0; events = one.pull("billing", "", "") {
		for _, e := range events {
			got[e.Stream]++
		}
	}
	if got["orders"] != 1 || got["payments"] != 3 {
		t.Errorf("the pull got %v", got)
	}
	if events := one.pull("audit", "", ""); len(events) > 0 {
		t.Errorf("the other sink got %v", ids(events))
	}
}

func TestSeekIsRefusedWithEveryFault(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.put("billing", `{"streams":["orders"]}`)
	for _, c := range []struct{ sink, body, want string }{
		{"billing", `{"stream":"orders","to":"yesterday"}`, "400 invalid_request /to"},
		{"billing", `{"to":"oldest","from":"oldest"}`, "400 invalid_request /from /stream"},
		{"billing", `{"stream":"orders"}`, "400 invalid_request /to"},
		{"billing", `{"stream":"payments","to":"oldest"}`, "404 stream_not_found"},
		{"unknown", `{"stream":"orders","to":"oldest"}`, "404 sink_not_found"},
	} {
		answer := h.call("POST", "/v1/sinks/"+c.sink+"/seek", c.body)
		if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != c.want {
			t.Errorf("%s %s was refused as %s, want %s", c.sink, c.body, got, c.want)
		}
	}
}
