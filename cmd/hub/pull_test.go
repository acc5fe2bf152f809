package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// pulling pulls in the background, and returns where the answer comes. The sink
// is there, and so the pull under way, when it returns.
func (h *testHub) pulling(sink, query, body string) <-chan response {
	h.t.Helper()
	answer := make(chan response, 1)
	go func() { answer <- h.call("POST", "/v1/sinks/"+sink+"/pull"+query, body) }()
	eventually(h.t, func() string {
		if status := h.call("GET", "/v1/sinks/"+sink, ""); status.StatusCode != http.StatusOK {
			return string(status.body)
		}
		return ""
	})
	return answer
}

func TestPullMakesTheSinkAndWakesOnAPublish(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	answer := one.pulling("billing", "?stream=orders&ack_wait=7s&type=n", `{"max":10,"wait":"15s"}`)
	one.publish("orders", `{"type":"other","data":0}`) // what it filters does not end the wait
	published := time.Now()
	id := two.publishMany("orders", 1)
	pulled := <-answer
	if took := time.Since(published); took > soon {
		t.Errorf("the pull ended %s after the event was published", took)
	}
	events := pulled.json(t)["events"].([]any)
	if len(events) != 1 || pulled.StatusCode != http.StatusOK {
		t.Fatalf("the pull was answered %d %s", pulled.StatusCode, pulled.body)
	}
	if e := events[0].(map[string]any); e["id"] != id[0] || e["attempt"] != 1.0 || e["stream"] != "orders" || e["data"] != 0.0 {
		t.Errorf("the pull got %v", e)
	}
	config := two.want(http.StatusOK, "GET", "/v1/sinks/billing", "")["config"].(map[string]any)
	if config["ack_wait"] != "7s" || fmt.Sprint(config["types"]) != "[n]" {
		t.Errorf("the sink is %v", config)
	}
	if acked := two.settle("billing", "acks", `{"stream":"orders","ids":%s}`, list(id...))["acked"]; !slices.Equal(acked, id) {
		t.Errorf("acked: %v", acked)
	}
}

func TestPullTakesNoMoreThanItsMax(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publishMany("orders", 250)
	if got := two.pull("billing", "?stream=orders&from=oldest", `{"max":3}`); !slices.Equal(ids(got), id[:3]) {
		t.Errorf("the pull got %v", ids(got))
	}
	if f := sinkFigures(t, one, "billing"); f["pending"] != 3.0 || f["lag"] != 247.0 {
		t.Errorf("figures: %v", f)
	}
	got := ids(one.pull("billing", "", ""))
	if n := len(got); n == 0 || n > 100 || !slices.Equal(got, id[3:3+n]) { // 100 by default
		t.Errorf("a pull that says nothing got %d events", n)
	}
	for len(got) < 247 { // at once: there are some
		events := two.pull("billing", "?stream=orders", `{"max":10000,"wait":"1m"}`)
		got = append(got, ids(events)...)
	}
	if !slices.Equal(got, id[3:]) {
		t.Errorf("all pulls got %d events, want %d in their order", len(got), 247)
	}
	began := time.Now()
	if got := one.pull("billing", "", `{"wait":"300ms"}`); len(got) != 0 {
		t.Errorf("a pull of nothing got %v", ids(got))
	}
	if took := time.Since(began); took < 300*time.Millisecond || took > soon {
		t.Errorf("a pull of nothing took %s, want 300 ms", took)
	}
}

func TestPullIsRefusedWithEveryFault(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.put("billing", `{"streams":["orders"]}`)
	for _, c := range []struct{ path, body, want string }{
		{"billing/pull", `{"max":0,"wait":"61s"}`, "400 invalid_request /max /wait"},
		{"billing/pull", `{"max":10001,"colour":1}`, "400 invalid_request /colour /max"},
		{"billing/pull", `[]`, "400 invalid_request"},
		{"billing/pull?prefetch=5&colour=red", ``, "400 invalid_request ?colour ?prefetch"},
		{"billing/pull?order=key", ``, "400 not_supported ?order"},
		{"billing/pull?order=strict", ``, "409 conflict"},
		{"unknown/pull", ``, "404 sink_not_found"},
		{"-x/pull?stream=orders", ``, "400 invalid_name"},
	} {
		answer := h.call("POST", "/v1/sinks/"+c.path, c.body)
		got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t)))
		if strings.Count(c.want, " ") == 1 { // the places are not said
			got = strings.Join(strings.SplitN(got, " ", 3)[:2], " ")
		}
		if got != c.want {
			t.Errorf("%s %s was refused as %s, want %s", c.path, c.body, got, c.want)
		}
	}
	h.want(http.StatusNotFound, "GET", "/v1/sinks/unknown", "")
}

func TestPulledEventsComeAgainToPullsAndSocketsAlike(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publishMany("orders", 3)
	if got := one.pull("billing", "?stream=orders&from=oldest&ack_wait=400ms", ""); !slices.Equal(ids(got), id) {
		t.Fatalf("the pull got %v", ids(got))
	}
	pulled := time.Now()
	again := two.pull("billing", "", `{"wait":"10s"}`) // no other consumer wakes it
	if took := time.Since(pulled); took > soon {
		t.Errorf("the events came again %s after they were pulled", took)
	}
	for len(again) < 3 {
		again = append(again, two.pull("billing", "", `{"wait":"10s"}`)...)
	}
	assertEvents(t, again, id, 2)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&prefetch=3")
	assertEvents(t, s.events(3), id, 3)
	s.ok(`{"type":"nack","ids":%s,"delay":"0s"}`, list(id...)) // to itself or to a pull
	if f := s.do(`{"type":"pause"}`); f.Type != "ok" {
		t.Errorf("pause was answered %+v", f)
	}
	for got := []string{}; len(got) < 3; {
		for _, e := range two.pull("billing", "", `{"wait":"10s"}`) {
			if e.Attempt < 4 || slices.Contains(got, e.ID) {
				t.Errorf("the pull got %+v, after %v", e, got)
			}
			got = append(got, e.ID)
			two.settle("billing", "acks", `{"stream":"orders","ids":[%q]}`, e.ID)
		}
	}
	if f := sinkFigures(t, one, "billing"); f["pending"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestPullsAndSocketsShareASink(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&prefetch=5&ack_wait=1h")
	const total = 400
	var mu sync.Mutex // protects the two below
	seen, pulled := map[string]int{}, 0
	note := func(events []event) (all int) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			if seen[e.ID]++; seen[e.ID] > 1 {
				t.Errorf("event %s was delivered %d times", e.ID, seen[e.ID])
			}
		}
		return len(seen)
	}
	var workers sync.WaitGroup
	for _, h := range []*testHub{one, two} {
		workers.Go(func() {
			for note(nil) < total {
				events := h.pull("billing", "", `{"max":5,"wait":"200ms"}`)
				note(events)
				mu.Lock()
				pulled += len(events)
				mu.Unlock()
				if len(events) > 0 {
					h.settle("billing", "acks", `{"stream":"orders","ids":%s}`, list(ids(events)...))
				}
			}
		})
	}
	for range total / 20 { // neither is ever far behind
		two.publishMany("orders", 20)
		for {
			f, ok := s.passed()
			if !ok {
				break
			}
			if note(f.Events); len(f.Events) > 0 {
				s.ack("orders", ids(f.Events)...)
			}
		}
	}
	eventually(t, func() string {
		f, _ := s.passed()
		n := note(f.Events)
		if len(f.Events) > 0 {
			s.ack("orders", ids(f.Events)...)
		}
		if n < total {
			return fmt.Sprintf("%d events have come", n)
		}
		return ""
	})
	workers.Wait()
	if pulled == 0 || pulled == total {
		t.Errorf("of %d events %d were pulled", total, pulled)
	}
}

func TestLeasesOfPulledEventsOutliveTheHub(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	doomed, other := startProcess(t, setting), startHub(t, setting)
	id := other.publishMany("orders", 3)
	doomed.pull("pulled", "?stream=orders&from=oldest&ack_wait=1h", "")
	doomed.dial("/v1/sinks/held/ws?stream=orders&from=oldest&ack_wait=1h").events(3)
	pulled, held := other.dial("/v1/sinks/pulled/ws?stream=orders"), other.dial("/v1/sinks/held/ws?stream=orders")
	doomed.kill()
	assertEvents(t, held.events(3), id, 2) // so the hub is known to be dead
	fence := other.publish("orders", `{"data":"fence"}`)
	assertEvents(t, pulled.until(fence), []string{fence}, 1)
	for _, p := range pendingEvents(t, other, "pulled") {
		if p.ID != fence && (p.State != "held" || p.Transport != "http" || p.Attempts != 1) {
			t.Errorf("pending: %+v", p)
		}
	}
	if acked := other.settle("pulled", "acks", `{"stream":"orders","ids":%s}`, list(id...))["acked"]; len(acked) != 3 {
		t.Errorf("acked: %v", acked)
	}
}

func TestDrainEndsAWaitingPull(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	leaving, staying := startHub(t, setting), startHub(t, setting)
	answer := leaving.pulling("billing", "?stream=orders&ack_wait=1h", `{"wait":"1m"}`)
	began := time.Now()
	if err := leaving.stop(); err != nil {
		t.Errorf("the hub ended with: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the hub ended after %s", took)
	}
	if got := <-answer; got.StatusCode != http.StatusOK || string(got.body) != `{"events":[]}`+"\n" && string(got.body) != `{"events":[]}` {
		t.Errorf("the pull was answered %d %s", got.StatusCode, got.body)
	}
	// Nothing went to the pull that was ended.
	id := staying.publish("orders", `{"data":1}`)
	assertEvents(t, staying.pull("billing", "", `{"wait":"10s"}`), []string{id}, 1)
}

func TestPullThatItsWorkerLeftTakesNothing(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(one.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = `{"wait":"1m"}`
	if _, err := fmt.Fprintf(conn, "POST /v1/sinks/billing/pull?stream=orders&ack_wait=1h HTTP/1.1\r\nHost: localhost\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		t.Fatal(err)
	}
	waits := func(n int) {
		t.Helper()
		eventually(t, func() string {
			if answer := one.call("GET", "/v1/sinks/billing", ""); strings.Count(string(answer.body), `"transport":"http"`) != n {
				return fmt.Sprintf("want %d pulls: %s", n, answer.body)
			}
			return ""
		})
	}
	waits(1)
	_ = conn.Close()
	waits(0)
	id := one.publish("orders", `{"data":1}`)
	assertEvents(t, two.pull("billing", "", `{"wait":"10s"}`), []string{id}, 1)
}
