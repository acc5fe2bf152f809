package http_test

import (
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestSinkIsShown(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.status = func(sink string) (hub.SinkStatus, error) {
		return hub.SinkStatus{
			Sink:   sink,
			Config: hub.SinkConfig{Streams: []string{"orders"}, From: "latest", AckWait: 90 * time.Second},
			Streams: []hub.SinkStreamStatus{
				{Stream: "orders", Lag: 1, Pending: 2, OldestPending: 1500 * time.Millisecond, Redelivered: 3},
			},
			Consumers: []hub.ConsumerStatus{{
				Sink: sink, Consumer: "w", Hub: "hub-1", Transport: "websocket", InFlight: 4,
				ConnectedSince: time.Date(2025, 11, 20, 13, 0, 0, 0, time.FixedZone("", 3600)),
			}},
		}, nil
	}
	e.call("GET", "/v1/sinks/billing", "").is(200, `{"sink":"billing","config":{"streams":["orders"],"from":"latest","ack_wait":"1m30s"},`+
		`"streams":[{"stream":"orders","lag":1,"pending":2,"oldest_pending_seconds":1.5,"redelivered":3}],`+
		`"consumers":[{"consumer":"w","hub":"hub-1","transport":"websocket","in_flight":4,"connected_since":"2025-11-20T12:00:00.000Z"}]}`)
	e.broker.status = func(sink string) (hub.SinkStatus, error) {
		return hub.SinkStatus{}, hub.Errorf(hub.CodeSinkNotFound, "there is no sink %q", sink)
	}
	e.call("GET", "/v1/sinks/billing", "").problem(hub.CodeSinkNotFound)
}

func TestAcksAreAnsweredIDByID(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.ack = func(sink, stream string, ids []hub.ID) (hub.AckResult, error) {
		if sink != "billing" || stream != "orders" || len(ids) != 2 {
			t.Errorf("the broker is asked for %v of %s in %s", ids, stream, sink)
		}
		return hub.AckResult{Done: ids[:1], NotPending: ids[1:]}, nil
	}
	body := `{"stream":"orders","ids":["1-0","2-0"]}`
	e.call("POST", "/v1/sinks/billing/acks", body).is(200, `{"acked":["1-0"],"not_pending":["2-0"]}`)
	e.broker.ack = func(string, string, []hub.ID) (hub.AckResult, error) { return hub.AckResult{}, nil }
	e.call("POST", "/v1/sinks/billing/acks", body).is(200, `{"acked":[],"not_pending":[]}`)
	e.broker.ack = func(string, string, []hub.ID) (hub.AckResult, error) {
		return hub.AckResult{}, hub.Errorf(hub.CodeStreamNotFound, "no")
	}
	e.call("POST", "/v1/sinks/billing/acks", body).problem(hub.CodeStreamNotFound)
	if p := e.call("POST", "/v1/sinks/billing/acks", `{"stream":"orders","ids":["1-0","x"]}`).problem(hub.CodeInvalidRequest); len(p.Errors) != 1 || p.Errors[0].Pointer != "/ids/1" {
		t.Errorf("the faults are %v", p.Errors)
	}
}
