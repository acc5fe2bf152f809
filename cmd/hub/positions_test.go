package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

func TestNothingPublishedAfterReadyIsMissed(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const workers, trials = 4, 300 // 1,000 that are acknowledged, 200 that are not
	for worker := range workers {
		t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
			t.Parallel()
			near, far := one.in(t), two.in(t)
			for trial := range trials {
				// Streams that nobody has used, and some in mid-stream.
				stream := fmt.Sprintf("orders-%d-%d", worker, trial%150)
				ack := "explicit"
				if trial%6 == 0 {
					ack = "none"
				}
				s := far.dial(fmt.Sprintf("/v1/sinks/sink-%d-%d/ws?stream=%s&from=latest&ack=%s", worker, trial, stream, ack))
				id := near.publish(stream, `{"data":1}`)
				assertEvents(t, s.events(1), []string{id}, 1)
				s.drop()
			}
		})
	}
}

func TestStartAtATimeIsInclusive(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	one.publishMany("orders", 3)
	s := two.dial("/v1/sinks/reference/ws?stream=orders&from=oldest")
	all := s.events(3)
	for range 3 { // each at a time of its own
		for last := all[len(all)-1].Time; all[len(all)-1].Time == last; {
			one.publish("orders", `{"data":1}`)
			all = append(all, s.events(1)...)
		}
	}
	middle := all[len(all)-2]
	at, err := time.Parse(time.RFC3339, middle.Time)
	if err != nil {
		t.Fatal(err)
	}
	since := func(at time.Time) []string {
		var list []string
		for _, e := range all {
			if when, err := time.Parse(time.RFC3339, e.Time); err != nil {
				t.Fatal(err)
			} else if !when.Before(at) {
				list = append(list, e.ID)
			}
		}
		return list
	}
	for name, from := range map[string]time.Time{"then": at, "later": at.Add(time.Millisecond), "earlier": at.Add(-time.Millisecond)} {
		want := since(from)
		position := "at:" + from.Format("2006-01-02T15:04:05.000Z07:00")
		s := two.dial("/v1/sinks/" + name + "/ws?stream=orders&from=" + url.QueryEscape(position))
		assertEvents(t, s.until(all[len(all)-1].ID), want, 1)
		one.put("put-"+name, fmt.Sprintf(`{"streams":["orders"],"from":%q}`, position))
		if got := ids(two.pull("put-"+name, "", "")); !slices.Equal(got, want) {
			t.Errorf("%s: a pull got %v, want %v", name, got, want)
		}
	}
}

func TestStreamsAreAddedAndRemovedLive(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	early := one.publishMany("payments", 3)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h")
	f := s.ok(`{"type":"add_stream","stream":"payments","from":"oldest"}`)
	if f.Stream != "payments" || len(f.Ignored) > 0 {
		t.Errorf("add_stream was answered %+v", f)
	}
	assertEvents(t, s.events(3), early, 1)
	if f := s.ok(`{"type":"add_stream","stream":"payments","from":"oldest"}`); f.Stream != "payments" || !slices.Equal(f.Ignored, []string{"from"}) {
		t.Errorf("a second add_stream was answered %+v", f)
	}
	if f := s.ok(`{"type":"add_stream","stream":"orders"}`); f.Stream != "orders" || len(f.Ignored) > 0 {
		t.Errorf("add_stream of what it reads was answered %+v", f)
	}
	if streams := fmt.Sprint(two.want(http.StatusOK, "GET", "/v1/sinks/billing", "")["config"].(map[string]any)["streams"]); streams != "[orders payments]" {
		t.Errorf("the sink's streams are %s", streams)
	}
	for range 2 {
		if f := s.ok(`{"type":"remove_stream","stream":"payments"}`); f.Stream != "payments" {
			t.Errorf("remove_stream was answered %+v", f)
		}
	}
	if f := s.ok(`{"type":"remove_stream","stream":"never"}`); f.Stream != "never" {
		t.Errorf("remove_stream of another stream was answered %+v", f)
	}
	// It is the connection that no longer reads it; what it holds, it still holds.
	later := one.publish("payments", `{"data":"later"}`)
	fence := one.publish("orders", `{"data":"fence"}`)
	assertEvents(t, s.until(fence), []string{fence}, 1)
	if f := s.ok(`{"type":"ack","stream":"payments","ids":%s}`, list(early[:2]...)); !slices.Equal(f.Acked, early[:2]) {
		t.Errorf("the ack was answered %+v", f)
	}
	if f := s.ok(`{"type":"nack","stream":"payments","ids":[%q],"delay":"0s"}`, early[2]); !slices.Equal(f.Nacked, early[2:]) {
		t.Errorf("the nack was answered %+v", f)
	}
	other := two.dial("/v1/sinks/billing/ws?stream=payments")
	got := other.events(2)
	slices.SortFunc(got, func(a, b event) int { return a.Attempt - b.Attempt })
	if got[0].ID != later || got[0].Attempt != 1 || got[1].ID != early[2] || got[1].Attempt != 2 {
		t.Errorf("the other consumer got %+v", got)
	}
	s.ok(`{"type":"add_stream","stream":"payments"}`)
	other.drop()
	if again := sorted(ids(s.events(2))); !slices.Equal(again, []string{early[2], later}) {
		t.Errorf("what the other held came as %v", again)
	}
}

func TestStreamsOfOneConnectionAreBounded(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), "HUB_MAX_STREAMS_PER_SOCKET=2")
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	s.ok(`{"type":"add_stream","stream":"payments"}`)
	if f := s.do(`{"type":"add_stream","stream":"refunds"}`); f.Code != "invalid_request" {
		t.Errorf("a third stream was answered %+v", f)
	}
	s.ok(`{"type":"remove_stream","stream":"orders"}`)
	s.ok(`{"type":"add_stream","stream":"refunds"}`)
	id := h.publish("refunds", `{"data":1}`)
	assertEvents(t, s.events(1), []string{id}, 1)
}

// A reclaim that is keyed by the sink's name serves one stream only.
func TestSixStreamsOfOneSinkAreAllDeliveredAgain(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const streams, each = 6, 5
	for i := range streams {
		stream := fmt.Sprint("orders-", i)
		s := one.dial("/v1/sinks/billing/ws?ack_wait=400ms&prefetch=5&stream=" + stream)
		two.publishMany(stream, each)
		s.events(each)
		s.ok(`{"type":"pause"}`) // the redelivery is for the others
	}
	path := "/v1/sinks/billing/ws?prefetch=1000"
	for i := range streams {
		path += fmt.Sprint("&stream=orders-", i)
	}
	heir := two.dial(path)
	seen := map[string]int{}
	for len(seen) < streams*each {
		for _, e := range heir.next("events").Events {
			if seen[e.Stream+e.ID]++; e.Attempt < 2 {
				t.Errorf("event %s of %s came with attempt %d", e.ID, e.Stream, e.Attempt)
			}
			heir.ok(`{"type":"ack","stream":%q,"ids":[%q]}`, e.Stream, e.ID)
		}
	}
	for _, figures := range two.want(http.StatusOK, "GET", "/v1/sinks/billing", "")["streams"].([]any) {
		if f := figures.(map[string]any); f["pending"] != 0.0 || f["lag"] != 0.0 {
			t.Errorf("figures: %v", f)
		}
	}
}

func TestOneConnectionOfSixStreamsIsDeliveredAllAgain(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	const streams = 6
	path := "/v1/sinks/billing/ws?ack_wait=300ms"
	for i := range streams {
		path += fmt.Sprint("&stream=orders-", i)
	}
	s := h.dial(path)
	for i := range streams {
		h.publish(fmt.Sprint("orders-", i), `{"data":1}`)
	}
	seen := map[string]int{}
	for len(seen) < streams {
		for _, e := range s.next("events").Events {
			if e.Attempt == 2 {
				seen[e.Stream]++
			}
		}
	}
}
