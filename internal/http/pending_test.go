package http_test

import (
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestPendingEventsAreShownByWhoHoldsThem(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.pending = func(sink string, limit int) ([]hub.PendingEvent, error) {
		if sink != "billing" || limit != 100 {
			t.Errorf("the broker is asked for %d of %s", limit, sink)
		}
		return []hub.PendingEvent{
			{ID: hub.ID{MS: 1}, Stream: "orders", Hub: "hub-1", Consumer: "w", Held: 1500 * time.Millisecond, Attempts: 1},
			{ID: hub.ID{MS: 2}, Stream: "orders", Hub: "hub-2", Attempts: 2},
			{ID: hub.ID{MS: 3}, Stream: "orders", Pulled: true, Held: time.Second, Attempts: 3},
			{ID: hub.ID{MS: 4}, Stream: "orders", Waits: true, Due: 0, Attempts: 4},
		}, nil
	}
	e.call("GET", "/v1/sinks/billing/pending", "").is(200, `{"pending":[`+
		`{"stream":"orders","id":"1-0","state":"held","transport":"websocket","hub":"hub-1","consumer":"w","held_seconds":1.5,"attempts":1},`+
		`{"stream":"orders","id":"2-0","state":"held","transport":"websocket","hub":"hub-2","held_seconds":0,"attempts":2},`+
		`{"stream":"orders","id":"3-0","state":"held","transport":"http","held_seconds":1,"attempts":3},`+
		`{"stream":"orders","id":"4-0","state":"waiting","due_in_seconds":0,"attempts":4}]}`)
}

func TestPendingIsBounded(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.pending = func(_ string, limit int) ([]hub.PendingEvent, error) {
		if limit != 1000 {
			t.Errorf("the broker is asked for %d", limit)
		}
		return nil, nil
	}
	e.call("GET", "/v1/sinks/billing/pending?limit=1000", "").is(200, `{"pending":[]}`)
	e.call("GET", "/v1/sinks/billing/pending?limit=1001", "").problem(hub.CodeInvalidRequest)
	e.call("GET", "/v1/sinks/billing/pending?cursor=1", "").problem(hub.CodeInvalidRequest)
	e.broker.pending = func(sink string, _ int) ([]hub.PendingEvent, error) { return nil, noSink(sink) }
	e.call("GET", "/v1/sinks/billing/pending", "").problem(hub.CodeSinkNotFound)
}
