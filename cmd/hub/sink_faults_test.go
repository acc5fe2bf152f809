package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"
)

// hasGroup says whether a sink's group is on its stream.
func hasGroup(t *testing.T, direct redis.UniversalClient, stream, sink string) bool {
	t.Helper()
	groups, err := direct.XInfoGroups(t.Context(), "hub:{"+stream+"}:log").Result()
	if err != nil {
		return false // the log is gone
	}
	for _, group := range groups {
		if group.Name == sink {
			return true
		}
	}
	return false
}

func TestSinkIsWhatItWasSoonAfterFlushall(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=17s")
	if err := redis.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	flushed := time.Now()
	id := h.publish("orders", `{"data":1}`)
	s.events(1)
	eventually(t, func() string {
		answer := h.call("GET", "/v1/sinks/billing", "")
		if answer.StatusCode != http.StatusOK {
			return string(answer.body)
		}
		if config := answer.json(t)["config"].(map[string]any); config["ack_wait"] != "17s" {
			t.Fatalf("the sink's settings are %v, its ack_wait was 17s", config)
		}
		return ""
	})
	answer := h.call("POST", "/v1/sinks/billing/acks", `{"stream":"orders","ids":["`+id+`"]}`)
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(answer.body), `"acked":["`+id+`"]`) {
		t.Errorf("the ack was answered %d %s", answer.StatusCode, answer.body)
	}
	if took := time.Since(flushed); took > 3*time.Second {
		t.Errorf("the sink is usable after %s, want about 2 s", took)
	}
	if next := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=17s"); next.ready.AckWait != "17s" {
		t.Errorf("the next consumer is told %+v", next.ready)
	}
}

// A sink that nobody publishes for is found by its hub's heartbeat.
func TestIdleSinkIsRestoredAfterFlushall(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	direct, setting := redis.Client(t), "HUB_REDIS_URL="+redis.URL()
	one, two := startHub(t, setting), startHub(t, setting)
	first := one.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=17s&prefetch=10")
	if err := direct.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	flushed := time.Now()
	eventually(t, func() string {
		if answer := two.call("GET", "/v1/sinks/billing", ""); answer.StatusCode != http.StatusOK {
			return string(answer.body)
		}
		if !hasGroup(t, direct, "orders", "billing") {
			return "there is no group"
		}
		return ""
	})
	if took := time.Since(flushed); took > 3*time.Second {
		t.Errorf("the sink is there after %s, want about 2 s", took)
	}

	// Who attaches now takes nothing from those who were there.
	want := map[string]bool{}
	for _, id := range two.publishMany("orders", 3) {
		want[id] = true
	}
	second := two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=1")
	if second.ready.AckWait != "17s" {
		t.Errorf("the next consumer is told %+v", second.ready)
	}
	timeout := time.After(patience)
	for len(want) > 0 {
		var f frame
		select {
		case f = <-first.frames:
		case f = <-second.frames:
		case <-timeout:
			t.Fatalf("these were lost: %v", want)
		}
		for _, e := range f.Events {
			delete(want, e.ID)
		}
	}
}

func TestGroupOfADeletedLogIsMadeAgainWithoutAPublish(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	direct := redis.Client(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=1s")
	h.publish("orders", `{"data":1}`)
	s.events(1) // whose lease ends: a look is due
	lines := strings.Count(h.logs.String(), "\n")
	if err := direct.Del(t.Context(), "hub:{orders}:log").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if !hasGroup(t, direct, "orders", "billing") {
			return "there is no group"
		}
		return ""
	})
	id := h.publish("orders", `{"data":2}`)
	assertEvents(t, s.events(1), []string{id}, 1)
	s.ack("orders", id)
	if n := strings.Count(h.logs.String(), "\n") - lines; n > 5 {
		t.Errorf("the hub logged %d lines of it, want a few", n)
	}
}

// deaf connects as a peer that reads nothing, with little room in its kernel.
func deaf(t *testing.T, h *testHub, path string) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
		}
		return conn, err
	}}
	conn, _, err := websocket.Dial(ctx, h.base+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func TestEventsThatWereNeverWrittenCostNoAttempt(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	const (
		total, size = 60, 300_000
		// The kernel takes 4 MiB of what is written (net.ipv4.tcp_wmem); a frame is
		// about 1 MiB, and another may be under way.
		buffered = (4<<20+2<<20)/size + 4
	)
	var want []string
	for range total {
		want = append(want, h.publish("orders", fmt.Sprintf(`{"data":%q}`, strings.Repeat("x", size))))
	}
	stuck := deaf(t, h, "/v1/sinks/billing/ws?stream=orders&from=oldest&ack_wait=1h&max_bytes=1000000000")
	pending, still := 0.0, 0
	eventually(t, func() string {
		now := sinkFigures(t, h, "billing")["pending"].(float64)
		if still++; now == 0 || now != pending {
			still = 0
		}
		if pending = now; still < 15 {
			return fmt.Sprintf("the consumer is still given events, %.0f by now", now)
		}
		return ""
	})
	_ = stuck.CloseNow()

	got, again := map[string]bool{}, 0
	s := h.dial("/v1/sinks/billing/ws?stream=orders&max_bytes=1000000000")
	for len(got) < total {
		f := s.next("events")
		for _, e := range f.Events {
			if got[e.ID] = true; e.Attempt > 1 {
				again++
			}
		}
	}
	for _, id := range want {
		if !got[id] {
			t.Errorf("event %s was lost", id)
		}
	}
	if again > buffered {
		t.Errorf("of %.0f events that were read for a peer that took none, %d cost an attempt; at most %d can have been written", pending, again, buffered)
	}
}

func TestDrainOfConsumersThatAckIsShort(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	const limit = 12 * time.Second
	leaving := startHub(t, setting, "HUB_DRAIN_TIMEOUT="+limit.String(), "HUB_SHUTDOWN_TIMEOUT=18s")
	staying := startHub(t, setting)
	const sockets, sinks = 100, 10
	var clients sync.WaitGroup
	delivered := make(chan struct{}, 1)
	for i := range sockets {
		s := leaving.dial(fmt.Sprintf("/v1/sinks/sink-%d/ws?stream=stream-%d&prefetch=5", i%sinks, i%sinks))
		clients.Go(func() {
			for f := range s.frames {
				if len(f.Events) == 0 {
					continue
				}
				list, _ := json.Marshal(ids(f.Events))
				_ = s.conn.Write(context.WithoutCancel(t.Context()), websocket.MessageText, []byte(`{"type":"ack","ids":`+string(list)+`}`))
				select {
				case delivered <- struct{}{}:
				default:
				}
			}
		})
	}
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				staying.publishMany(fmt.Sprintf("stream-%d", i%sinks), 50)
			}
		}
	})
	end := sync.OnceFunc(func() {
		close(stop)
		publishing.Wait()
	})
	defer end()
	for range 50 { // deliveries are in full swing
		select {
		case <-delivered:
		case <-time.After(patience):
			t.Fatal("nothing is delivered")
		}
	}
	began := time.Now()
	if err := leaving.stop(); err != nil {
		t.Errorf("the hub ended with: %v", err)
	}
	if took := time.Since(began); took > limit/2 {
		t.Errorf("the drain took %s although every client acks at once", took)
	}
	end()
	clients.Wait() // the hub has closed every socket
}

func TestLagInMidStreamIsExactAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	direct := redis.Client(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	first := h.publishMany("orders", 3)
	const total = 200
	data := `"` + strings.Repeat("x", 1<<20-2) + `"`
	for range total {
		if err := direct.Do(t.Context(), "XADD", "hub:{orders}:log", "*", "data", data).Err(); err != nil {
			t.Fatal(err)
		}
	}
	h.dial("/v1/sinks/billing/ws?stream=orders&prefetch=1&from=after:" + first[1])
	eventually(t, func() string {
		if n := sinkFigures(t, h, "billing")["pending"]; n != 1.0 {
			return fmt.Sprintf("%v events are pending, want 1", n)
		}
		return ""
	})

	counted := make(chan response, 1)
	began := time.Now()
	var counting sync.WaitGroup
	counting.Go(func() { counted <- h.call("GET", "/v1/sinks/billing", "") })
	defer counting.Wait()
	for {
		at := time.Now()
		h.publish("other", `{"data":1}`)
		if took := time.Since(at); took > time.Second {
			t.Errorf("a publish was answered after %s while the lag was counted", took)
		}
		select {
		case answer := <-counted:
			if answer.StatusCode != http.StatusOK {
				t.Fatalf("after %s: %d %s", time.Since(began), answer.StatusCode, answer.body)
			}
			if lag := answer.json(t)["streams"].([]any)[0].(map[string]any)["lag"]; lag != float64(total) {
				t.Errorf("the lag is %v, want %d", lag, total)
			}
			return
		default:
		}
	}
}
