package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"eventhub/internal/redistest"
)

func TestHalfOpenSubscriptionIsDeafForAtMost4s(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	behind, beside := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+server.URL())
	listeners, quiet := behind.listenBoth("channel=room"), behind.listenBoth("channel=quiet")
	elsewhere := beside.listenBoth("channel=room&channel=quiet")
	s := beside.speaker("beside")
	s.say("room")
	for _, l := range slices.Concat(listeners, elsewhere) {
		l.event()
	}
	proxy.Freeze()
	began := time.Now()
	s.flow(t, 20*time.Millisecond, "room")
	for _, l := range listeners {
		x := l.next()
		for ; x.kind == "event" && time.Since(began) < patience; x = l.next() { // was on its way
		}
		if x.gap != (missed{"room", "redis_reconnect", 0}) {
			t.Fatalf("%v came where a gap was awaited", x)
		}
		e, took := l.event(), time.Since(began)
		t.Logf("%s came %s after the connection was frozen", e.Data, took)
		if took > 5*time.Second { // 4 s are promised; the rest is for a loaded machine
			t.Errorf("deaf for %s, want 4 s at most", took)
		}
	}
	for _, l := range quiet {
		if gap := l.gap(); gap != (missed{"quiet", "redis_reconnect", 0}) {
			t.Errorf("told %+v", gap)
		}
	}
	for _, l := range elsewhere {
		if _, gaps := l.across(1, 50); gaps > 0 {
			t.Error("a subscriber was told of a gap whose hub was never cut off")
		}
	}
	// What the hub publishes over new connections is heard, too; it is no worse off than at first.
	eventually(t, func() string { return ready(behind) })
}

func TestSubscribeOverAHalfOpenConnectionIsAnsweredByWhatIsTrue(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	behind, beside := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+server.URL())
	l := behind.listen(overSocket, "channel=room")
	proxy.Freeze()
	began := time.Now()
	var before []heard
	for {
		answer, passed := l.do(`{"type":"subscribe","channels":["later"]}`)
		before = append(before, passed...)
		if took := time.Since(began); took > 5*time.Second+leeway {
			t.Fatalf("after %s the answer is still %+v", took, answer)
		}
		if answer.Type == "ok" {
			break
		}
		if answer.Code != "unavailable" {
			t.Fatalf("subscribing was answered %+v", answer)
		}
	}
	id := beside.broadcast("later", `{"data":1}`)[0]
	for x := l.next(); x.event.ID != id; x = l.next() {
		before = append(before, x)
	}
	for _, x := range before {
		if x.gap != (missed{"room", "redis_reconnect", 0}) {
			t.Errorf("told %v", x)
		}
	}
}

// ready says why a hub is not, or how old its last probe is if that is too old.
func ready(h *testHub) string {
	answer := h.call("GET", "/readyz", "")
	age, known := answer.json(h.t)["live_probe_age_seconds"].(float64)
	if answer.StatusCode != http.StatusOK || !known || age < 0 || age > 2 {
		return string(answer.body)
	}
	return ""
}

func TestReadinessAndAMetricTellTheAgeOfTheProbe(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	eventually(t, func() string { return ready(h) })
	if age := measured(t, h, "hub_live_probe_age_seconds"); age < 0 || age > 3 {
		t.Errorf("the metric says %v", age)
	}
	proxy.Blackhole()
	eventually(t, func() string {
		if age := measured(t, h, "hub_live_probe_age_seconds"); age < 3 {
			return fmt.Sprint("the metric says ", age)
		}
		return ""
	})
	answer := h.call("GET", "/readyz", "")
	if age, _ := answer.json(t)["live_probe_age_seconds"].(float64); answer.StatusCode != http.StatusServiceUnavailable || age < 3 {
		t.Errorf("readiness is %d %s", answer.StatusCode, answer.body)
	}
	proxy.Restore()
	eventually(t, func() string { return ready(h) })
	if age := measured(t, h, "hub_live_probe_age_seconds"); age > 3 {
		t.Errorf("after all is well the metric says %v", age)
	}
}
