package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

func TestEventExactlyAtTheLimitIsDelivered(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	live := h.dial("/v1/broadcast/ws?channel=room")
	const limit = 1 << 20
	value := `"` + strings.Repeat("x", limit-2) + `"`
	h.publish("orders", `{"data":`+value+`}`)
	if e := s.events(1)[0]; string(e.Data) != value {
		t.Errorf("the event came with %d bytes of data, want %d", len(e.Data), limit)
	}
	h.call("POST", "/v1/broadcast/room", `{"data":`+value+`}`)
	if e := live.events(1)[0]; string(e.Data) != value {
		t.Errorf("the message came with %d bytes of data, want %d", len(e.Data), limit)
	}
	answer := h.call("POST", "/v1/streams/orders/events", `[{"data":1},{"data":"x`+value[1:]+`}]`)
	if answer.StatusCode != http.StatusRequestEntityTooLarge || answer.json(t)["code"] != "payload_too_large" ||
		!strings.Contains(string(answer.body), `"pointer":"/1/data"`) {
		t.Errorf("one byte too many: %d %s", answer.StatusCode, answer.body)
	}
	if figures := sinkFigures(t, h, "billing"); figures["pending"] != 1.0 || figures["lag"] != 0.0 {
		t.Errorf("something of the refused batch was stored: %v", figures)
	}
}

func TestBatchBounds(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	events := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`{"data":1},`, n), ",") + "]" }
	for body, want := range map[string]int{
		events(1000): http.StatusCreated,
		events(1001): http.StatusRequestEntityTooLarge,
		"[]":         http.StatusBadRequest,
		events(1) + strings.Repeat(" ", 8<<20-len(events(1))):   http.StatusCreated,
		events(1) + strings.Repeat(" ", 8<<20-len(events(1))+1): http.StatusRequestEntityTooLarge,
	} {
		if answer := h.call("POST", "/v1/streams/orders/events", body); answer.StatusCode != want {
			t.Errorf("a body of %d bytes: %d %.200s, want %d", len(body), answer.StatusCode, answer.body, want)
		}
	}
}

// connections counts a hub's connections to Redis: they bear its name.
func connections(t *testing.T, direct *redis.Client) int {
	t.Helper()
	list, err := direct.ClientList(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(list, " name=hub-")
}

func Test1000ConsumersTakeFewRedisConnections(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	direct := redis.Client(t)
	const sinks, each = 50, 20
	sockets := make([]*socket, sinks*each)
	var wg sync.WaitGroup
	next := make(chan int, len(sockets))
	for i := range sockets {
		next <- i
	}
	close(next)
	for range 20 {
		wg.Go(func() {
			for i := range next {
				sockets[i] = h.dial(fmt.Sprintf("/v1/sinks/sink-%d/ws?stream=stream-%d", i%sinks, i%sinks))
			}
		})
	}
	wg.Wait()
	for i := range sinks {
		h.publishMany(fmt.Sprint("stream-", i), 100)
	}
	most := 0
	for i := range sinks {
		eventually(t, func() string {
			most = max(most, connections(t, direct))
			if f := sinkFigures(t, h, fmt.Sprint("sink-", i)); f["pending"] != 100.0 {
				return fmt.Sprintf("sink %d: %v", i, f)
			}
			return ""
		})
	}
	if most == 0 || most > 24 {
		t.Errorf("the hub had %d connections to Redis, want 1 to 24", most)
	}
	t.Logf("1,000 consumers over 50 sinks: %d connections to Redis", most)
}
