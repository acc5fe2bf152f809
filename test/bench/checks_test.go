package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestTallyNoticesLossesAndRepeats(t *testing.T) {
	b := backlog{stream: "s", size: 2*perMS + 1, base: 1_700_000_000_000}
	all := func() *tally {
		tally := newTally(b)
		for ms := range 3 {
			for seq := range perMS {
				if ms < 2 || seq == 0 {
					tally.mark(eventID(b, ms, seq))
				}
			}
		}
		return tally
	}
	if tally := all(); !tally.complete() || tally.check() != nil {
		t.Errorf("a whole backlog is reported as %v", tally.check())
	}
	repeated := all()
	repeated.mark(eventID(b, 1, 7))
	strange := all()
	strange.mark(eventID(b, 2, 1))
	for name, tally := range map[string]*tally{"lost": newTally(b), "repeated": repeated, "strange": strange} {
		if tally.check() == nil {
			t.Errorf("%s events are not noticed", name)
		}
	}
}

func eventID(b backlog, ms, seq int) []byte {
	text, _ := json.Marshal(b.base + int64(ms))
	digits, _ := json.Marshal(seq)
	return append(append(text, '-'), digits...)
}

func TestAudienceNoticesLossesAndRepeats(t *testing.T) {
	// One of two messages twice: the count is right, the messages are not.
	a := &audience{subscribers: []*subscriber{{}}, failed: make(chan error, 1)}
	a.published.Store(2)
	a.said.Store(10 + 20)
	a.subscribers[0].count.Store(2)
	a.subscribers[0].heard.Store(10 + 10)
	if a.hush() == nil {
		t.Error("a repeated message in place of another is not noticed")
	}
	a.subscribers[0].heard.Store(10 + 20)
	if err := a.hush(); err != nil {
		t.Error(err)
	}
}

func TestCrowdNoticesLossesAndRepeats(t *testing.T) {
	timing := newTiming(100, time.Millisecond)
	c := &crowd{timing: timing, complete: make(chan struct{})}
	c.owed.Store(int64(timing.total))
	late := make([]time.Duration, timing.total)
	for n := range timing.total - 1 {
		if err := c.note([]byte(`"data":`+eventData(n, eventBytes)), late); err != nil {
			t.Fatal(err)
		}
	}
	if c.note([]byte(`"data":`+eventData(0, eventBytes)), late) == nil {
		t.Error("a repeated message is not noticed")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if c.wait(gone) == nil {
		t.Error("a missing message is not noticed")
	}
	if err := c.note([]byte(`"data":`+eventData(timing.total-1, eventBytes)), late); err != nil {
		t.Error(err)
	}
	if err := c.wait(t.Context()); err != nil {
		t.Errorf("all has come, and it is reported as %v", err)
	}
}

func TestSlowSubscribersAreToSufferAsAskedFor(t *testing.T) {
	metrics := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, metrics) }))
	defer server.Close()
	d := &deaf{policy: dropping, rig: &rig{addr: server.Listener.Addr().String(), client: server.Client()}, sockets: 2}
	for text, right := range map[string]bool{
		"hub_broadcast_dropped_total 200":                               true,
		"hub_broadcast_dropped_total 0":                                 false, // they were read for
		"hub_broadcast_dropped_total 200\nhub_slow_subscribers_total 1": false,
	} {
		metrics = "# HELP x y\n" + text + "\n"
		if err := d.check(t.Context(), 100); (err == nil) != right {
			t.Errorf("with %q, the check says %v", text, err)
		}
	}
}
