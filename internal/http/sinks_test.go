package http_test

import (
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// billing is a sink whose every setting is set.
var billing = hub.SinkStatus{
	Sink: "billing",
	Config: hub.SinkConfig{
		Streams: []string{"orders"}, From: "latest", Topics: []string{"eu.**"}, Types: []string{"order.*"}, Ack: hub.AckExplicit, AckWait: 90 * time.Second,
		MaxDeliveries: 5, Backoff: []time.Duration{time.Second, time.Minute}, Order: hub.OrderStrict, ExpiresAfter: time.Hour,
	},
	Streams: []hub.SinkStreamStatus{
		{Stream: "orders", Lag: 1, Pending: 2, OldestPending: 1500 * time.Millisecond, Redelivered: 3, DeadLetters: 4},
	},
	Consumers: []hub.ConsumerStatus{{
		Sink: "billing", Consumer: "w", Hub: "hub-1", Transport: "websocket", InFlight: 4,
		ConnectedSince: time.Date(2025, 11, 20, 13, 0, 0, 0, time.FixedZone("", 3600)),
	}},
}

const (
	billingConfig = `{"streams":["orders"],"from":"latest","topics":["eu.**"],"types":["order.*"],"ack":"explicit","ack_wait":"1m30s",` +
		`"max_deliveries":5,"backoff":["1s","1m"],"order":"strict","expires_after":"1h"}`
	billingHead = `{"sink":"billing","config":` + billingConfig + `,` +
		`"streams":[{"stream":"orders","lag":1,"pending":2,"oldest_pending_seconds":1.5,"redelivered":3,"dead_letters":4}],` +
		`"consumers":[{"consumer":"w","hub":"hub-1","transport":"websocket","in_flight":4,"connected_since":"2025-11-20T12:00:00.000Z"}]`
	bareConfig = `{"streams":[],"from":"","topics":[],"types":[],"ack":"","ack_wait":"0s","max_deliveries":0,"backoff":[],"order":"","expires_after":"0s"}`
)

func noSink(string) error { return hub.Errorf(hub.CodeSinkNotFound, "no such sink") }

func TestSinkIsShown(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.status = func(string) (hub.SinkStatus, error) { return billing, nil }
	e.call("GET", "/v1/sinks/billing", "").is(200, billingHead+`}`)
	// What is empty is shown as an empty list, never as null.
	e.broker.status = nil
	e.call("GET", "/v1/sinks/new", "").is(200, `{"sink":"new","config":`+bareConfig+`,"streams":[],"consumers":[]}`)
	e.broker.status = func(sink string) (hub.SinkStatus, error) { return hub.SinkStatus{}, noSink(sink) }
	e.call("GET", "/v1/sinks/billing", "").problem(hub.CodeSinkNotFound)
}

func TestPutSaysWhetherItMadeTheSink(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var got hub.SinkPut
	created, ignored := true, []string(nil)
	e.broker.putSink = func(sink string, put hub.SinkPut) (hub.SinkStatus, bool, []string, error) {
		if sink != "billing" {
			t.Errorf("the sink %q is put", sink)
		}
		got = put
		return billing, created, ignored, nil
	}
	e.call("PUT", "/v1/sinks/billing", `{"streams":["orders"],"ack_wait":"90s"}`).is(201, billingHead+`}`)
	if !slices.Equal(got.Streams, []string{"orders"}) || !maps.Equal(got.Settings, hub.SinkSettings{hub.SettingAckWait: "1m30s"}) {
		t.Errorf("the broker is asked for %+v", got)
	}
	created, ignored = false, []string{"from"}
	e.call("PUT", "/v1/sinks/billing", `{"from":"oldest"}`).is(200, billingHead+`,"ignored":["from"]}`)
	if got.Streams != nil || got.Settings[hub.SettingFrom] != "oldest" {
		t.Errorf("the broker is asked for %+v", got)
	}
	e.broker.putSink = func(string, hub.SinkPut) (hub.SinkStatus, bool, []string, error) {
		return hub.SinkStatus{}, false, nil, hub.Errorf(hub.CodeConflict, "it is strict")
	}
	e.call("PUT", "/v1/sinks/billing", `{"order":"none"}`).problem(hub.CodeConflict)
}

func TestFaultyPutReachesNoBroker(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.putSink = func(string, hub.SinkPut) (hub.SinkStatus, bool, []string, error) {
		t.Error("the broker was called")
		return hub.SinkStatus{}, false, nil, nil
	}
	p := e.call("PUT", "/v1/sinks/billing", `{"streams":["-"],"ack_wait":"soon","colour":"red"}`).problem(hub.CodeInvalidRequest)
	if len(p.Errors) != 3 {
		t.Errorf("the faults are %v", p.Errors)
	}
	e.call("PUT", "/v1/sinks/billing", `{"order":"key"}`).problem(hub.CodeNotSupported)
	e.call("PUT", "/v1/sinks/billing", `[]`).problem(hub.CodeInvalidRequest)
	e.call("PUT", "/v1/sinks/billing", ``).problem(hub.CodeInvalidRequest)
}

func TestSinksAreListedInPages(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var asked []string
	page := hub.SinkPage{Sinks: []hub.SinkStatus{{Sink: "audit"}, {Sink: billing.Sink, Config: billing.Config}}, Next: "billing"}
	e.broker.sinks = func(limit int, after string) (hub.SinkPage, error) {
		asked = append(asked, after+"+"+strconv.Itoa(limit))
		return page, nil
	}
	e.call("GET", "/v1/sinks", "").is(200, `{"sinks":[{"sink":"audit","config":`+bareConfig+`},{"sink":"billing","config":`+billingConfig+`}],"next":"billing"}`)
	page = hub.SinkPage{}
	e.call("GET", "/v1/sinks?cursor=billing&limit=1000", "").is(200, `{"sinks":[]}`)
	if want := []string{"+100", "billing+1000"}; !slices.Equal(asked, want) {
		t.Errorf("the broker is asked for %q, want %q", asked, want)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "prefix=a"} {
		e.call("GET", "/v1/sinks?"+query, "").problem(hub.CodeInvalidRequest)
	}
}

func TestDeletedSinkIsGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var deleted string
	e.broker.deleteSink = func(sink string) error {
		deleted = sink
		return nil
	}
	e.call("DELETE", "/v1/sinks/billing", "").nothing()
	if deleted != "billing" {
		t.Errorf("%q was deleted", deleted)
	}
	e.broker.deleteSink = func(string) error {
		return &hub.Error{Code: hub.CodeUnavailable, RetryAfter: time.Second, Detail: "no"}
	}
	e.call("DELETE", "/v1/sinks/billing", "").problem(hub.CodeUnavailable)
}

func TestSinkIsMoved(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.seek = func(sink, stream string, to hub.Position) error {
		if after, ok := to.After(); sink != "billing" || stream != "orders" || !ok || after != (hub.ID{MS: 5, Seq: 1}) {
			t.Errorf("%s is moved to %v in %s", sink, to, stream)
		}
		return nil
	}
	e.call("POST", "/v1/sinks/billing/seek", `{"stream":"orders","to":"after:5-1"}`).is(200, `{"stream":"orders","to":"after:5-1"}`)
	e.call("POST", "/v1/sinks/billing/seek", `{"stream":"orders"}`).problem(hub.CodeInvalidRequest)
	e.call("POST", "/v1/sinks/billing/seek", `{"stream":"orders","to":"back"}`).problem(hub.CodeInvalidRequest)
	e.broker.seek = func(sink, _ string, _ hub.Position) error { return noSink(sink) }
	e.call("POST", "/v1/sinks/billing/seek", `{"stream":"orders","to":"latest"}`).problem(hub.CodeSinkNotFound)
}
