package main

import (
	"fmt"
	"testing"
	"time"
)

// truncated is what times may lack: Redis counts whole milliseconds.
const truncated = 5 * time.Millisecond

func TestNackAndTimeoutWaitTheBackoffAlike(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=200ms&backoff=500ms&backoff=700ms")
	two.dial("/v1/sinks/billing/ws?stream=orders").drop() // whose hub does not hurry it either
	id := one.publish("orders", `{"data":1}`)
	assertEvents(t, s.events(1), []string{id}, 1)
	began := time.Now()
	passed := time.Duration(0)
	for _, step := range []struct {
		fail  string
		after time.Duration // beyond ack_wait, too
	}{
		{`{"type":"nack","ids":[%q]}`, 500 * time.Millisecond},
		{"", 200*time.Millisecond + 700*time.Millisecond},      // a timeout
		{`{"type":"nack","ids":[%q]}`, 700 * time.Millisecond}, // the last repeats
		{`{"type":"nack","ids":[%q],"delay":"300ms"}`, 300 * time.Millisecond},
	} {
		if step.fail != "" {
			s.ok(step.fail, id)
		}
		passed += step.after - truncated
		got := s.events(1)[0]
		if took := time.Since(began); took < passed || took > passed+soon {
			t.Errorf("attempt %d came after %s, want %s", got.Attempt, took, passed)
		}
	}
	s.ok(`{"type":"nack","ids":[%q],"delay":"0s"}`, id) // "0s" is now
	nacked := time.Now()
	assertEvents(t, s.events(1), []string{id}, 6)
	if took := time.Since(nacked); took > 500*time.Millisecond {
		t.Errorf("after a nack without delay it came after %s", took)
	}
}

func TestWithoutABackoffANackMeansNow(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&max_deliveries=0&ack_wait=1h")
	id := h.publish("orders", `{"data":1}`)
	const attempts = 50 // 0 is no limit
	began := time.Now()
	for attempt := 1; attempt <= attempts; attempt++ {
		assertEvents(t, s.events(1), []string{id}, attempt)
		s.ok(`{"type":"nack","ids":[%q]}`, id)
	}
	assertEvents(t, s.events(1), []string{id}, attempts+1)
	if took := time.Since(began); took > soon {
		t.Errorf("%d nacks took %s", attempts, took)
	}
}

func TestTimeoutsWithoutABackoffComeAgainAtOnceToWhoeverIsFree(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	full := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=300ms&prefetch=1")
	id := one.publish("orders", `{"data":1}`)
	assertEvents(t, full.events(1), []string{id}, 1)
	full.ok(`{"type":"pause"}`)
	free := two.dial("/v1/sinks/billing/ws?stream=orders")
	assertEvents(t, free.events(1), []string{id}, 2)
	if f := full.ok(`{"type":"extend","ids":[%q]}`, id); len(f.Stale) != 1 {
		t.Errorf("who held it first was answered %+v", f)
	}
	if f := full.ok(`{"type":"nack","ids":[{"id":%q,"attempt":1}]}`, id); len(f.Stale) != 1 {
		t.Errorf("who held it first was answered %+v", f)
	}
	if f := free.ack("orders", id); len(f.Acked) != 1 {
		t.Errorf("who holds it was answered %+v", f)
	}
}

func TestAttemptIsTrueAfterRestartsOfAllHubs(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	setting := "HUB_REDIS_URL=" + redis.URL()
	direct := redis.Client(t)
	var timed, delayed string
	var nacked time.Time
	for attempt := 1; attempt <= 3; attempt++ {
		h := startProcess(t, setting)
		s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=300ms")
		if attempt == 1 {
			timed = h.publish("orders", `{"data":"timed"}`)
			assertEvents(t, s.events(1), []string{timed}, 1)
			delayed = h.publish("orders", `{"data":"delayed"}`)
			assertEvents(t, s.events(1), []string{delayed}, 1)
			nacked = time.Now()
			s.ok(`{"type":"nack","ids":[%q],"delay":"4s"}`, delayed)
		} else {
			assertEvents(t, s.events(1), []string{timed}, attempt)
		}
		h.kill()
		// Both are still owed while no hub runs.
		if n := direct.XPending(t.Context(), "hub:{orders}:log", "billing").Val().Count; n != 2 {
			t.Fatalf("after kill %d, %d events are pending, want 2", attempt, n)
		}
	}
	h := startHub(t, setting)
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	got := map[string]int{}
	for got[delayed] == 0 {
		for _, e := range s.next("events").Events {
			got[e.ID] = e.Attempt
			if e.ID == timed {
				s.ack("orders", timed)
			}
		}
	}
	if took := time.Since(nacked); took < 4*time.Second-truncated {
		t.Errorf("the delayed event came after %s, want 4 s", took)
	}
	if got[timed] != 4 || got[delayed] != 2 {
		t.Errorf("attempts: %d of the event that timed out, want 4; %d of the delayed one, want 2", got[timed], got[delayed])
	}
}

func TestAckOfADelayedEventAfterARestartOfAllHubs(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	doomed := startProcess(t, setting)
	s := doomed.dial("/v1/sinks/billing/ws?stream=orders")
	id := doomed.publish("orders", `{"data":1}`)
	s.events(1)
	s.ok(`{"type":"nack","ids":[%q],"delay":"1h","reason":"later"}`, id)
	doomed.kill()
	h := startHub(t, setting)
	pending := pendingEvents(t, h, "billing")
	if len(pending) != 1 || pending[0].ID != id || pending[0].State != "waiting" || pending[0].Attempts != 1 ||
		pending[0].DueInSeconds < 3000 || pending[0].DueInSeconds > 3600 {
		t.Errorf("pending: %+v", pending)
	}
	if acked := h.settle("billing", "acks", `{"stream":"orders","ids":[%q]}`, id)["acked"]; len(acked) != 1 {
		t.Errorf("acked: %v", acked)
	}
	if f := sinkFigures(t, h, "billing"); f["pending"] != 0.0 {
		t.Errorf("figures: %v", f)
	}
}

func TestDeliveriesThatCostNoAttemptDoNotCount(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	var id string
	for round := range 3 { // with max_deliveries 1, one attempt would end it
		h := startHub(t, setting, "HUB_DRAIN_TIMEOUT=100ms")
		s := h.dial("/v1/sinks/billing/ws?stream=orders&max_deliveries=1")
		if round == 0 {
			id = h.publish("orders", `{"data":1}`)
		}
		assertEvents(t, s.events(1), []string{id}, 1)
		if err := h.stop(); err != nil { // a drain
			t.Error(err)
		}
	}
	h := startHub(t, setting)
	if letters := deadLetters(t, h, "billing"); len(letters) > 0 {
		t.Errorf("dead letters: %+v", letters)
	}
	if got := fmt.Sprint(sinkFigures(t, h, "billing")["pending"]); got != "1" {
		t.Errorf("pending: %s", got)
	}
}
