package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/redistest"
)

// The main path, on every kind of Redis a hub can have: the same promises, by
// the same test.

func TestMainPathOnRealRedis(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	mainPath(t, startHub(t, redis), startHub(t, redis))
}

func TestMainPathOnRedisCluster(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + redistest.StartCluster(t, 3).URL()
	mainPath(t, startHub(t, redis), startHub(t, redis))
}

func TestMainPathOnEmbeddedRedis(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	mainPath(t, h, h)
}

// mainPath publishes, consumes, acknowledges and broadcasts over two hubs, with
// enough streams to meet every node of a cluster.
func mainPath(t *testing.T, one, two *testHub) {
	for _, h := range []*testHub{one, two} {
		eventually(t, func() string { return notReady(h) })
	}
	for i := range 12 {
		stream, sink := fmt.Sprintf("orders-%d", i), fmt.Sprintf("billing-%d", i)
		first := one.publish(stream, `{"type":"order.created","topic":"eu.de","key":"k","headers":{"a":"b"},"data":{"total":12.50,"n":12345678901234567890}}`)
		consumer := two.dial("/v1/sinks/" + sink + "/ws?stream=" + stream + "&from=oldest")
		got := consumer.events(1)[0]
		if got.ID != first || got.Stream != stream || got.Type != "order.created" || got.Topic != "eu.de" || got.Key != "k" ||
			got.Headers["a"] != "b" || got.Attempt != 1 || got.ContentType != "application/json" ||
			string(got.Data) != `{"total":12.50,"n":12345678901234567890}` {
			t.Fatalf("got %+v with data %s", got, got.Data)
		}
		more := one.publishMany(stream, 20)
		if got := ids(consumer.events(20)); !slices.Equal(got, more) {
			t.Fatalf("live events: got %v, want %v", got, more)
		}
		all := append([]string{first}, more...)
		if ok := consumer.ack(stream, all...); !slices.Equal(ok.Acked, all) || len(ok.NotPending) > 0 {
			t.Fatalf("ack answered %+v", ok)
		}
		status := one.call("GET", "/v1/sinks/"+sink, "").json(t)
		figures := status["streams"].([]any)[0].(map[string]any)
		if figures["pending"] != 0.0 || figures["lag"] != 0.0 {
			t.Fatalf("after all was acknowledged: %v", figures)
		}
	}
	mainPathBroadcast(t, one, two)
}

func mainPathBroadcast(t *testing.T, one, two *testHub) {
	for i := range 6 {
		channel := fmt.Sprintf("room-%d", i)
		near, far := one.dial("/v1/broadcast/ws?channel="+channel), two.dial("/v1/broadcast/ws?channel="+channel)
		for j := range 10 {
			answer := one.call("POST", "/v1/broadcast/"+channel, fmt.Sprintf(`{"type":"t","data":%d}`, j))
			if answer.StatusCode != http.StatusAccepted {
				t.Fatalf("broadcasting: %d %s", answer.StatusCode, answer.body)
			}
		}
		for _, s := range []*socket{near, far} {
			seen := map[string]bool{}
			for j, e := range s.events(10) {
				if string(e.Data) != fmt.Sprint(j) || e.Channel != channel || e.Stream != "" || e.Attempt != 0 || seen[e.ID] {
					t.Fatalf("message %d: %+v with data %s", j, e, e.Data)
				}
				seen[e.ID] = true
			}
		}
	}
}

// notReady is what /readyz says, or "".
func notReady(h *testHub) string {
	answer := h.call("GET", "/readyz", "")
	if answer.StatusCode == http.StatusOK {
		return ""
	}
	return string(answer.body)
}

func TestMetricsShowASinkThatNobodyConsumes(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=2").drop()
	h.publishMany("orders", 5)
	eventually(t, func() string {
		metrics := string(h.call("GET", "/metrics", "").body)
		for _, line := range []string{
			`hub_sink_lag{sink="billing",stream="orders"} 5`,
			`hub_sink_pending{sink="billing",stream="orders"} 0`,
			`hub_connections{role="sink"} 0`,
			`hub_events_published_total 5`,
		} {
			if !strings.Contains(metrics, line+"\n") {
				return line + " is missing"
			}
		}
		return ""
	})
}
