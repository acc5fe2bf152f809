package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/redistest"
)

func TestKilledHubsEventsGoToAnother(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	doomed, other := startProcess(t, redis), startHub(t, redis)
	want := other.publishMany("orders", 40)
	doomed.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=600ms").events(40)
	heir := other.dial("/v1/sinks/billing/ws?stream=orders")

	doomed.kill()
	killed := time.Now()
	got := heir.events(40)
	if took := time.Since(killed); took > 3*time.Second {
		t.Errorf("the events came %s after the kill, want ack_wait + 2 s at most", took)
	}
	assertEvents(t, got, want, 2)
}

func TestDeadHubsEventsDoNotWaitForALongAckWait(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	doomed, other := startProcess(t, redis), startHub(t, redis)
	want := other.publishMany("orders", 5)
	doomed.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=1h").events(5)
	heir := other.dial("/v1/sinks/billing/ws?stream=orders")
	doomed.kill()
	killed := time.Now()
	assertEvents(t, heir.events(5), want, 2)
	if took := time.Since(killed); took > 15*time.Second {
		t.Errorf("the events came %s after the kill, want about 6 s", took)
	}
}

func TestAllHubsKilledLosesNothing(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	one, two := startProcess(t, redis), startProcess(t, redis)
	want := one.publishMany("orders", 30)
	first := one.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=300ms&prefetch=15")
	second := two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=15")
	first.events(15)
	second.events(15)
	one.kill()
	two.kill()
	<-time.After(700 * time.Millisecond) // the outage itself: longer than twice ack_wait
	heir := startHub(t, redis).dial("/v1/sinks/billing/ws?stream=orders")
	assertEvents(t, heir.events(30), want, 2)
}

func TestRedisGoneIsAnsweredWithin3sAndRecovers(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1s")
	live := h.dial("/v1/broadcast/ws?channel=room")
	eventually(t, func() string { return notReady(h) })

	redis.Kill()
	for path, body := range map[string]string{
		"/v1/streams/orders/events": `{"data":1}`, "/v1/broadcast/room": `{"data":1}`,
		"/v1/sinks/billing/acks": `{"stream":"orders","ids":["1-1"]}`,
	} {
		asked := time.Now()
		answer := h.call("POST", path, body)
		if took := time.Since(asked); took > 3*time.Second {
			t.Errorf("%s was answered after %s", path, took)
		}
		if code := answer.json(t)["code"]; answer.StatusCode != http.StatusServiceUnavailable || code != "unavailable" && code != "unconfirmed" ||
			answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", path, answer.StatusCode, answer.body)
		}
	}
	if answer := h.call("GET", "/readyz", ""); answer.StatusCode != http.StatusServiceUnavailable || answer.json(t)["reason"] == "" {
		t.Errorf("readyz without Redis: %d %s", answer.StatusCode, answer.body)
	}
	if answer := h.call("GET", "/livez", ""); answer.StatusCode != http.StatusOK {
		t.Errorf("livez without Redis: %d %s", answer.StatusCode, answer.body)
	}
	if answer := h.call("GET", "/metrics", ""); answer.StatusCode != http.StatusOK {
		t.Errorf("metrics without Redis: %d", answer.StatusCode)
	}

	redis.Restart()
	eventually(t, func() string { return notReady(h) })
	id := h.publish("orders", `{"data":"after"}`)
	assertEvents(t, s.events(1), []string{id}, 1)
	s.ack("orders", id)
	if gap := live.next("gap"); gap.Channel != "room" || gap.Reason != "redis_reconnect" {
		t.Errorf("the broadcast socket was told %+v", gap)
	}
	h.call("POST", "/v1/broadcast/room", `{"data":"after"}`)
	if e := live.events(1)[0]; string(e.Data) != `"after"` {
		t.Errorf("got %s", e.Data)
	}
	if lines := strings.Count(h.logs.String(), "\n"); lines > 60 {
		t.Errorf("the outage took %d log lines", lines)
	}
}

func TestHalfOpenRedisIsNoticed(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	cut, whole := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+redis.URL())
	live := cut.dial("/v1/broadcast/ws?channel=room")
	eventually(t, func() string { return notReady(cut) })

	proxy.Blackhole()
	asked := time.Now()
	answer := cut.call("POST", "/v1/streams/orders/events", `{"data":1}`)
	if took := time.Since(asked); took > 3*time.Second || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("publishing into the void: %d after %s", answer.StatusCode, took)
	}
	eventually(t, func() string {
		if notReady(cut) == "" {
			return "the hub says that it is ready"
		}
		return ""
	})
	proxy.CutAll()
	proxy.Restore()
	eventually(t, func() string { return notReady(cut) })
	if gap := live.next("gap"); gap.Reason != "redis_reconnect" {
		t.Errorf("the broadcast socket was told %+v", gap)
	}
	whole.call("POST", "/v1/broadcast/room", `{"data":1}`)
	live.events(1)
}

func TestLostReplyIsUnconfirmedAndStoredOnce(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	eventually(t, func() string { return notReady(h) })
	h.publish("orders", `{"data":1}`) // by a script: the stream is new
	proxy.DropReplies(1, "XADD")
	answer, before := response{}, int64(0)
	for range 5 { // the hub's first heartbeat has it take a script once more
		before++
		if answer = h.call("POST", "/v1/streams/orders/events", `{"data":1}`); answer.StatusCode != http.StatusCreated {
			break
		}
	}
	if answer.StatusCode != http.StatusServiceUnavailable || answer.json(t)["code"] != "unconfirmed" {
		t.Errorf("a publish without a reply was answered %d %s", answer.StatusCode, answer.body)
	}
	if n := redis.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n != before+1 {
		t.Errorf("the event was stored %d times", n-before)
	}
}

func TestLostGroupIsMadeAgainFromWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	direct := redis.Client(t)
	s := h.dial("/v1/sinks/billing/ws?stream=orders&prefetch=2") // credit that leaks shows
	for name, lose := range map[string]func() error{
		"XGROUP DESTROY": func() error { return direct.XGroupDestroy(t.Context(), "hub:{orders}:log", "billing").Err() },
		"DEL":            func() error { return direct.Del(t.Context(), "hub:{orders}:log").Err() },
		"FLUSHALL":       func() error { return direct.FlushAll(t.Context()).Err() },
		"SCRIPT FLUSH":   func() error { return direct.ScriptFlush(t.Context()).Err() },
	} {
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		id := h.publish("orders", `{"data":1}`)
		eventually(t, func() string {
			events := s.next("events").Events
			s.ack("orders", ids(events)...) // duplicates are allowed here
			if slices.Contains(ids(events), id) {
				return ""
			}
			return "after " + name + " the new event does not come"
		})
	}
}

// An ack that comes when its group is gone, and before anybody has noticed, settles nothing.
func TestAckOfALostGroupIsConfirmedOnlyIfItsEventDoesNotComeAgain(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&prefetch=1")
	for range 5 {
		id := h.publish("orders", `{"data":1}`)
		s.until(id)
		if err := redis.Client(t).XGroupDestroy(t.Context(), "hub:{orders}:log", "billing").Err(); err != nil {
			t.Fatal(err)
		}
		answer := s.ack("orders", id)
		again, last := false, h.publish("orders", `{"data":2}`)
		for came := ""; came != last; {
			came = s.events(1)[0].ID
			again = again || came == id
			s.ack("orders", came)
		}
		if confirmed := slices.Contains(answer.Acked, id); confirmed == again {
			t.Errorf("the event came again: %v, and its ack was answered %+v", again, answer)
		}
	}
}

func TestEventsOfOtherProgramsAreServed(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	direct := redis.Client(t)
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	for _, c := range []struct {
		fields []string
		want   string // data, or data_base64
		binary bool
	}{
		{[]string{"type", "t", "data", `{"a": 1}`}, `{"a": 1}`, false},
		{[]string{"data", "not json"}, `"not json"`, false},
		{[]string{"data", "\xff\x00"}, `/wA=`, true},
		{[]string{"temperature", "21", "unit", "°C"}, `{"temperature":"21","unit":"°C"}`, false},
		{[]string{"type", "a\nb", "headers", "{", "data", "1\n"}, `1`, false},
	} {
		began := time.Now()
		id := direct.Do(t.Context(), append([]any{"XADD", "hub:{orders}:log", "*"}, anys(c.fields)...)...).Val()
		e := s.events(1)[0]
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%q came after %s, want about 1 s", c.fields, took)
		}
		got := string(e.Data)
		if e.DataBase64 != nil {
			got = *e.DataBase64
		}
		if e.ID != id || got != c.want || (e.DataBase64 != nil) != c.binary {
			t.Errorf("%q came as %+v %s", c.fields, e, got)
		}
	}
}

func TestEventWithoutABellReachesEverySinkOfAHub(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	direct := redis.Client(t)
	add := func() string { // as another program does: no hub is told
		return direct.Do(t.Context(), "XADD", "hub:{orders}:log", "*", "data", "1").Val().(string)
	}
	busy := h.dial("/v1/sinks/busy/ws?stream=orders&prefetch=1")
	idle := h.dial("/v1/sinks/idle/ws?stream=orders")
	first := add()
	assertEvents(t, busy.events(1), []string{first}, 1)
	assertEvents(t, idle.events(1), []string{first}, 1)

	// With its credit back, the busy one reads on by itself, before the poll.
	second := add()
	busy.ack("orders", first)
	assertEvents(t, busy.events(1), []string{second}, 1)
	assertEvents(t, idle.events(1), []string{second}, 1)
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func TestDrainHandsEverythingOver(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	leaving, staying := startHub(t, redis), startHub(t, redis)
	want := leaving.publishMany("orders", 4)
	s := leaving.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=1h")
	live := leaving.dial("/v1/broadcast/ws?channel=room")
	s.events(4)

	stopped := make(chan error, 1)
	go func() { stopped <- leaving.stop() }()
	if f := s.next("drain"); f.ReconnectAfter == "" {
		t.Errorf("drain frame: %+v", f)
	}
	live.next("drain")
	if code := live.closed(); code != websocket.StatusServiceRestart {
		t.Errorf("the broadcast socket was closed with %d, want 1012", code)
	}
	// Nothing further is delivered, but what was is still taken back.
	late := staying.publish("orders", `{"data":"late"}`)
	if ok := s.ack("orders", want[0], want[1]); len(ok.Acked) != 2 {
		t.Errorf("an ack during the drain was answered %+v", ok)
	}
	if code := s.closed(); code != websocket.StatusServiceRestart {
		t.Errorf("the sink's socket was closed with %d, want 1012", code)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the hub ended with: %v", err)
	}
	// A hub's leaving costs no attempt.
	assertEvents(t, staying.dial("/v1/sinks/billing/ws?stream=orders").events(3), []string{want[2], want[3], late}, 1)
}

func TestStalledConsumerCostsOnlyItself(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), "HUB_WRITE_TIMEOUT=1s")
	good := h.dial("/v1/sinks/billing/ws?stream=orders&prefetch=10&ack_wait=2s")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stalled, _, err := websocket.Dial(ctx, h.base+"/v1/sinks/billing/ws?stream=orders&prefetch=10000", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stalled.CloseNow() }()

	const total, size = 60, 500_000 // more than kernel buffers take
	want := map[string]bool{}
	for range total {
		want[h.publish("orders", fmt.Sprintf(`{"data":%q}`, strings.Repeat("x", size)))] = true
	}
	for len(want) > 0 {
		f := good.next("events")
		for _, e := range f.Events {
			delete(want, e.ID)
		}
		good.ack("orders", ids(f.Events)...)
	}
}

func TestEventsOfALostReadComeAtOnceAndCostNoAttempt(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1h")
	first := h.publish("orders", `{"data":0}`) // so that the reads of the beginning are over
	s.events(1)
	s.ack("orders", first)
	proxy.DropReplies(1, "XREADGROUP")
	id := h.publish("orders", `{"data":1}`)
	assertEvents(t, s.events(1), []string{id}, 1)
	s.ack("orders", id)
}

func TestLostGroupDoesNotRepeatWhatWasDoneLongAgo(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	direct := redis.Client(t)
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	done := h.publishMany("orders", 10)
	s.ack("orders", ids(s.events(10))...)
	eventually(t, func() string {
		if floor := direct.HGet(t.Context(), "hub:{orders}:sink:billing", "floor").Val(); floor != done[9] {
			return "the recorded floor is " + floor
		}
		return ""
	})
	if err := direct.XGroupDestroy(t.Context(), "hub:{orders}:log", "billing").Err(); err != nil {
		t.Fatal(err)
	}
	id := h.publish("orders", `{"data":1}`)
	assertEvents(t, s.events(1), []string{id}, 1)
}
