package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/redistest"
)

func TestNothingIsMissedAfterReady(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + redistest.Start(t).URL()
	one, two := startHub(t, redis), startHub(t, redis)
	for i := range 50 {
		channel := fmt.Sprint("room-", i%5)
		s := one.dial("/v1/broadcast/ws?channel=" + channel)
		two.call("POST", "/v1/broadcast/"+channel, fmt.Sprintf(`{"data":%d}`, i))
		if e := s.events(1)[0]; string(e.Data) != fmt.Sprint(i) {
			t.Fatalf("trial %d: got %s", i, e.Data)
		}
		s.drop()

		stream := fmt.Sprint("stream-", i%5)
		c := one.dial(fmt.Sprintf("/v1/sinks/s%d/ws?stream=%s", i, stream))
		id := two.publish(stream, `{"data":1}`)
		if e := c.events(1)[0]; e.ID != id {
			t.Fatalf("trial %d: got %s, want %s", i, e.ID, id)
		}
		c.drop()
	}
}

func TestBroadcastKeepsTheOrderOfABatch(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + redistest.Start(t).URL()
	one, two := startHub(t, redis), startHub(t, redis)
	s := one.dial("/v1/broadcast/ws?channel=room&channel=other")
	var batch []string
	for i := range 500 {
		batch = append(batch, fmt.Sprintf(`{"data":%d}`, i))
	}
	answer := two.call("POST", "/v1/broadcast/room", "["+strings.Join(batch, ",")+"]")
	if got := answer.json(t)["ids"].([]any); answer.StatusCode != http.StatusAccepted || len(got) != 500 {
		t.Fatalf("%d %s", answer.StatusCode, answer.body)
	}
	for i, e := range s.events(500) {
		if string(e.Data) != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, e.Data)
		}
	}
}

func TestSlowSubscriberIsClosedAndOthersLoseNothing(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+redistest.Start(t).URL(),
		"HUB_BROADCAST_QUEUE_EVENTS=10", "HUB_WRITE_TIMEOUT=1m")
	good := h.dial("/v1/broadcast/ws?channel=room")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	slow, _, err := websocket.Dial(ctx, h.base+"/v1/broadcast/ws?channel=room", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.CloseNow() }()
	slow.SetReadLimit(64 << 20)

	body := strings.Repeat("x", 300_000)
	for i := range 60 { // far more than the queue and the kernel's buffers
		h.call("POST", "/v1/broadcast/room", fmt.Sprintf(`{"type":"%d","data":%q}`, i, body))
		if e := good.events(1)[0]; e.Type != fmt.Sprint(i) {
			t.Fatalf("message %d: got %s", i, e.Type)
		}
	}
	eventually(t, func() string {
		if metrics := string(h.call("GET", "/metrics", "").body); !strings.Contains(metrics, "hub_slow_subscribers_total 1\n") {
			return "the slow subscriber is not counted"
		}
		return ""
	})
	// It reads on at last, and learns why it was closed.
	var last string
	for {
		_, text, err := slow.Read(ctx)
		if err != nil {
			if code := websocket.CloseStatus(err); code != 4408 {
				t.Errorf("closed with %d (%v), want 4408", code, err)
			}
			break
		}
		last = string(text[:min(len(text), 200)])
	}
	if !strings.HasPrefix(last, `{"type":"error","code":"slow_consumer"`) {
		t.Errorf("the last frame was %s", last)
	}
}

func TestBroadcastSurvivesACutPubSubConnection(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	direct := redis.Client(t)
	s := h.dial("/v1/broadcast/ws?channel=room")
	for i := range 50 {
		h.call("POST", "/v1/broadcast/room", fmt.Sprintf(`{"data":%d}`, i))
		if i == 20 {
			if err := direct.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	expected, announced := 0, false
	for expected < 50 {
		select {
		case f, ok := <-s.frames:
			if !ok {
				t.Fatalf("the socket was closed: %v", s.ended)
			}
			announced = announced || f.Type == "gap"
			for _, e := range f.Events {
				var n int
				_, _ = fmt.Sscan(string(e.Data), &n)
				if n != expected && !announced {
					t.Fatalf("got %d, want %d, and no gap was announced", n, expected)
				}
				expected = n + 1
			}
		case <-time.After(50 * time.Millisecond):
			if announced { // all may have been missed: one more shows that it flows
				h.call("POST", "/v1/broadcast/room", `{"data":50}`)
			}
		}
	}
}

func TestForeignMessagesAreValidEvents(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	s := h.dial("/v1/broadcast/ws?channel=room")
	direct := redis.Client(t)
	for payload, want := range map[string]string{`{"a":1}`: `{"a":1}`, `no "json"`: `"no \"json\""`} {
		direct.Publish(t.Context(), "hub:live:room", payload)
		if e := s.events(1)[0]; string(e.Data) != want || e.Channel != "room" || e.ID == "" {
			t.Errorf("%s came as %+v %s", payload, e, e.Data)
		}
	}
}
