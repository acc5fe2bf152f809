package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// fence waits until the hub has passed its events so far on: a sink that was
// asked later has got a later one.
func fence(t *testing.T, h *testHub, stream string) string {
	t.Helper()
	s := h.dial("/v1/sinks/fence/ws?stream=" + stream)
	id := h.publish(stream, `{"data":"fence"}`)
	s.until(id)
	s.ack(stream, id)
	s.drop()
	return id
}

func TestManualCreditIsAllThatIsDelivered(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	id := one.publishMany("orders", 9)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=0&ack_wait=1h")
	if s.ready.Prefetch != 0 {
		t.Errorf("ready: %+v", s.ready)
	}
	id = append(id, fence(t, one, "orders"))
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["lag"] != 10.0 {
		t.Errorf("before any credit: %v", f)
	}
	s.ok(`{"type":"credit","n":3}`)
	assertEvents(t, s.events(3), id[:3], 1)
	s.ok(`{"type":"credit","n":2}`)
	s.ok(`{"type":"credit","n":2}`)
	assertEvents(t, s.events(4), id[3:7], 1)
	// An ack is no credit.
	s.ack("orders", id[:7]...)
	id = append(id, fence(t, one, "orders"))
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["lag"] != 4.0 {
		t.Errorf("with all credit spent: %v", f)
	}
	s.ok(`{"type":"credit","n":5}`)
	assertEvents(t, s.until(id[10]), id[7:11], 1)
	next := one.publish("orders", `{"data":1}`) // with what is left of the credit
	assertEvents(t, s.events(1), []string{next}, 1)

	// A redelivery takes credit like any other.
	s.ok(`{"type":"nack","ids":[%q],"delay":"0s"}`, next)
	fence(t, one, "orders")
	if f := sinkFigures(t, two, "billing"); f["pending"] != 5.0 || f["redelivered"] != 0.0 {
		t.Errorf("with all credit spent: %v", f)
	}
	s.ok(`{"type":"credit","n":2}`)
	for _, e := range s.events(2) {
		if (e.ID == next) != (e.Attempt == 2) {
			t.Errorf("got %+v, nacked was %s", e, next)
		}
	}
	for _, command := range []string{`{"type":"credit","n":0}`, `{"type":"credit","n":-1}`, `{"type":"credit"}`, `{"type":"credit","n":"1"}`, `{"type":"credit","n":1000000000000}`} {
		if f := s.do("%s", command); f.Code != "invalid_request" {
			t.Errorf("%s was answered %+v", command, f)
		}
	}
}

func TestPausedConsumerGetsNothingUntilItResumes(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders")
	first := one.publish("orders", `{"data":1}`)
	s.events(1)
	for range 2 {
		s.ok(`{"type":"pause"}`)
	}
	want := append(one.publishMany("orders", 5), fence(t, one, "orders"))
	if f := sinkFigures(t, two, "billing"); f["pending"] != 1.0 || f["lag"] != 6.0 {
		t.Errorf("while the consumer pauses: %v", f)
	}
	if f := s.ack("orders", first); len(f.Acked) != 1 { // what it holds is its own
		t.Errorf("the ack was answered %+v", f)
	}
	other := two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=2")
	assertEvents(t, other.events(2), want[:2], 1)
	for range 2 {
		s.ok(`{"type":"resume"}`)
	}
	assertEvents(t, s.until(want[5]), want[2:], 1)
}

func TestFullBatchComesAtOnceInOneFrame(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := two.dial("/v1/sinks/billing/ws?stream=orders&batch=10&max_latency=1m")
	began := time.Now()
	var want []string
	for range 10 {
		want = append(want, one.publish("orders", `{"data":1}`))
	}
	if f := s.next("events"); !slices.Equal(ids(f.Events), want) {
		t.Errorf("the frame has %v, want %v", ids(f.Events), want)
	}
	want = one.publishMany("orders", 30)
	for i := range 3 {
		if f := s.next("events"); !slices.Equal(ids(f.Events), want[i*10:i*10+10]) {
			t.Errorf("frame %d has %v, want %v", i, ids(f.Events), want[i*10:i*10+10])
		}
	}
	if took := time.Since(began); took > soon {
		t.Errorf("the batches took %s", took)
	}
}

func TestPartialBatchComesWhenItsFirstEventHasWaited(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const latency = 500 * time.Millisecond
	s := two.dial("/v1/sinks/billing/ws?stream=orders&batch=1000&max_latency=" + latency.String())
	for range 2 {
		began := time.Now()
		want := []string{one.publish("orders", `{"data":1}`)}
		tick := time.NewTicker(latency / 20)
		for len(s.frames) == 0 && time.Since(began) < 10*latency { // events that keep coming do not put it off
			want = append(want, one.publish("orders", `{"data":1}`))
			<-tick.C
		}
		tick.Stop()
		f := s.next("events")
		took := time.Since(began)
		if took < latency || took > latency+soon {
			t.Errorf("the frame came after %s, want %s", took, latency)
		}
		if n := len(f.Events); n < 2 || n > len(want) || !slices.Equal(ids(f.Events), want[:n]) {
			t.Errorf("the frame has %v, want the most of %v", ids(f.Events), want)
		}
		s.ack("orders", ids(f.Events)...)
		if len(want) > len(f.Events) {
			rest := s.until(want[len(want)-1])
			s.ack("orders", ids(rest)...)
		}
	}
}

func TestMaxLatencyWithoutABatchGathers(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&max_latency=300ms")
	began := time.Now()
	id := h.publish("orders", `{"data":1}`)
	assertEvents(t, s.events(1), []string{id}, 1)
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("the event came after %s, want 300 ms", took)
	}
}

// The lease of an event begins when it is handed over, however long it lay here.
func TestGatheredEventsDoNotTimeOutInTheHub(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&batch=50&max_latency=1500ms&ack_wait=400ms")
	want := one.publishMany("orders", 5)
	eventually(t, func() string {
		if f := sinkFigures(t, two, "billing"); f["lag"] != 0.0 {
			return fmt.Sprint("the events are not read yet: ", f)
		}
		return ""
	})
	hungry := two.dial("/v1/sinks/billing/ws?stream=orders")
	assertEvents(t, s.events(5), want, 1)
	s.ack("orders", want...)
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["redelivered"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	if n := len(hungry.frames); n > 0 {
		t.Errorf("the other hub's consumer got %d frames", n)
	}
}

func TestMaxBytesBoundsWhatAConsumerHolds(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	const size, most = 30_000, 100_000
	want := map[string]bool{}
	body := fmt.Sprintf(`{"data":%q}`, strings.Repeat("x", size))
	for range 12 {
		want[h.publish("orders", body)] = true
	}
	big := h.publish("orders", fmt.Sprintf(`{"data":%q}`, strings.Repeat("x", 2*most))) // goes alone
	want[big] = true
	s := h.dial(fmt.Sprintf("/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=1h&max_bytes=%d", most))
	held := map[string]int{}
	eventually(t, func() string {
		f, _ := s.passed()
		bytes, oldest := 0, ""
		for _, e := range f.Events {
			held[e.ID] = len(e.Data)
			delete(want, e.ID)
		}
		for id, n := range held {
			if bytes += n; oldest == "" || id < oldest {
				oldest = id
			}
		}
		if bytes > most && len(held) > 1 {
			t.Errorf("the consumer holds %d bytes in %d events, want at most %d", bytes, len(held), most)
		}
		if f.Type == "" && len(held) > 0 { // nothing more comes
			s.ack("orders", oldest)
			delete(held, oldest)
		}
		if len(want) > 0 {
			return fmt.Sprintf("%d events have not come, the consumer holds %v", len(want), held)
		}
		return ""
	})
}

func TestEventsOfAnAtMostOnceSinkAreNeverPending(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack=none&prefetch=10&ack_wait=100ms")
	want := two.publishMany("orders", 200) // more than prefetch: nothing is ever held
	got := s.events(200)
	assertEvents(t, got, want, 1)
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["lag"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	if f := s.ack("orders", want[0]); len(f.Acked) > 0 || !slices.Equal(f.NotPending, want[:1]) {
		t.Errorf("an ack was answered %+v", f)
	}
	s.drop()
	heir := two.dial("/v1/sinks/billing/ws?stream=orders")
	id := fence(t, one, "orders")
	assertEvents(t, heir.until(id), []string{id}, 1)
	if got := two.pull("billing", "", ""); len(got) > 0 {
		t.Errorf("a pull got %v", ids(got))
	}
	one.publishMany("orders", 3)
	heir.events(3)
	if f := sinkFigures(t, two, "billing"); f["pending"] != 0.0 || f["redelivered"] != 0.0 || f["dead_letters"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
	two.want(http.StatusOK, "GET", "/v1/sinks/billing/pending", "")
}

func TestConsumersOfAnAtMostOnceSinkShareIt(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	sockets := []*socket{one.dial("/v1/sinks/billing/ws?stream=orders&ack=none"), two.dial("/v1/sinks/billing/ws?stream=orders&ack=none")}
	seen := map[string]int{}
	timeout := time.After(patience)
	for round := range 40 {
		h := []*testHub{one, two}[round%2]
		for want := len(seen) + len(h.publishMany("orders", 10)); len(seen) < want; {
			var f frame
			select {
			case f = <-sockets[0].frames:
			case f = <-sockets[1].frames:
			case <-timeout:
				t.Fatalf("after round %d only %d events have come", round, len(seen))
			}
			for _, e := range f.Events {
				if seen[e.ID]++; seen[e.ID] > 1 || e.Attempt != 1 {
					t.Errorf("event %s came with attempt %d, the %d. time", e.ID, e.Attempt, seen[e.ID])
				}
			}
		}
	}
}

func TestFlowOfAnAtMostOnceSinkIsTheConsumers(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	id := h.publishMany("orders", 10)
	const path = "/v1/sinks/billing/ws?stream=orders&from=oldest&ack=none"
	s := h.dial(path + "&prefetch=0")
	s.ok(`{"type":"credit","n":4}`)
	assertEvents(t, s.events(4), id[:4], 1)
	s.drop()
	s = h.dial(path + "&batch=3&max_latency=1m")
	if f := s.next("events"); !slices.Equal(ids(f.Events), id[4:7]) {
		t.Errorf("the frame has %v, want %v", ids(f.Events), id[4:7])
	}
	if f := s.next("events"); !slices.Equal(ids(f.Events), id[7:]) {
		t.Errorf("the frame has %v, want %v", ids(f.Events), id[7:])
	}
	s.drop()
	eventually(t, func() string { // or what comes next would be lost with it
		if consumers := h.call("GET", "/v1/sinks/billing", "").json(t)["consumers"].([]any); len(consumers) > 0 {
			return fmt.Sprint("still connected: ", consumers)
		}
		return ""
	})
	s = h.dial(path)
	s.ok(`{"type":"pause"}`)
	id = append(h.publishMany("orders", 3), fence(t, h, "orders"))
	if f := sinkFigures(t, h, "billing"); f["lag"] != 4.0 {
		t.Errorf("while the consumer pauses: %v", f)
	}
	s.ok(`{"type":"resume"}`)
	assertEvents(t, s.events(4), id, 1)
}
