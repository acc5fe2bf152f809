package http_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// orders is a stream of which there is everything to tell.
var orders = hub.StreamStatus{
	Stream: "orders",
	Config: hub.StreamConfig{MaxEvents: 1000, MaxAge: 90 * time.Minute, OnFull: hub.OnFullReject, TTL: time.Hour, Sliding: true},
	Events: 12, First: hub.ID{MS: 5, Seq: 1}, Last: hub.ID{MS: 9}, Bytes: 4096,
	Sinks: []hub.StreamSinkStatus{{Sink: "billing", Lag: 3, Pending: 2}},
}

const (
	ordersHead = `{"stream":"orders","config":{"max_events":1000,"max_age":"1h30m","on_full":"reject","ttl":{"after":"1h","sliding":true}},` +
		`"events":12,"first_id":"5-1","last_id":"9-0","bytes":4096`
	ordersAnswer = ordersHead + `,"sinks":[{"sink":"billing","lag":3,"pending":2}]}`
	defaults     = `"config":{"max_events":1000000,"max_age":"168h","on_full":"drop_oldest"},"events":0,"bytes":0`
)

func TestStreamIsShown(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.stream = func(string) (hub.StreamStatus, error) { return orders, nil }
	e.call("GET", "/v1/streams/orders", "").is(200, ordersAnswer)
	// What is absent is left out, and lists are never null.
	e.broker.stream = func(stream string) (hub.StreamStatus, error) {
		return hub.StreamStatus{Stream: stream, Config: hub.DefaultStreamConfig()}, nil
	}
	e.call("GET", "/v1/streams/new", "").is(200, `{"stream":"new",`+defaults+`,"sinks":[]}`)
	e.broker.stream = func(string) (hub.StreamStatus, error) {
		return hub.StreamStatus{}, hub.Errorf(hub.CodeStreamNotFound, "no")
	}
	e.call("GET", "/v1/streams/new", "").problem(hub.CodeStreamNotFound)
}

func TestPutSaysWhetherItMadeTheStream(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var got hub.StreamConfig
	created := true
	e.broker.putStream = func(stream string, config hub.StreamConfig) (hub.StreamStatus, bool, error) {
		if stream != "orders" {
			t.Errorf("the stream %q is put", stream)
		}
		got = config
		return orders, created, nil
	}
	e.call("PUT", "/v1/streams/orders", `{"max_events":1000,"max_age":"90m","on_full":"reject","ttl":{"after":"60m","sliding":true}}`).is(201, ordersAnswer)
	if got != orders.Config {
		t.Errorf("the broker is asked for %+v", got)
	}
	created = false
	for _, body := range []string{"", " \n", "{}"} {
		e.call("PUT", "/v1/streams/orders", body).is(200, ordersAnswer)
		if got != hub.DefaultStreamConfig() {
			t.Errorf("%q: the broker is asked for %+v", body, got)
		}
	}
}

func TestStreamHasTheServersDefaults(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.server = http.NewServer(http.Options{Broker: e.broker, Streams: hub.StreamConfig{MaxEvents: 5, OnFull: hub.OnFullReject}})
	e.call("PUT", "/v1/streams/orders", `{"max_age":"1s"}`).is(201, `{"stream":"orders","config":{"max_events":5,"max_age":"1s","on_full":"reject"},"events":0,"bytes":0,"sinks":[]}`)
}

func TestFaultyStreamPutReachesNoBroker(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.putStream = func(string, hub.StreamConfig) (hub.StreamStatus, bool, error) {
		t.Error("the broker was called")
		return hub.StreamStatus{}, false, nil
	}
	p := e.call("PUT", "/v1/streams/orders", `{"max_events":-1,"max_age":"soon","on_full":"no","ttl":{"sliding":1},"color":1}`).problem(hub.CodeInvalidRequest)
	if got, want := pointers(p), "/max_events /max_age /on_full /ttl/sliding /ttl/after /color"; got != want {
		t.Errorf("the faults are at %s, want %s", got, want)
	}
	e.call("PUT", "/v1/streams/orders", `[]`).problem(hub.CodeInvalidRequest)
	e.call("PUT", "/v1/streams/orders", `{}`, "Content-Type: text/plain").problem(hub.CodeUnsupportedMedia)
}

func TestStreamsAreListedInPages(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var asked []string
	page := hub.StreamPage{Streams: []hub.StreamStatus{{Stream: "new", Config: hub.DefaultStreamConfig()}, orders}, Next: "orders"}
	e.broker.streams = func(prefix string, limit int, after string) (hub.StreamPage, error) {
		asked = append(asked, prefix+"+"+after+"+"+strconv.Itoa(limit))
		return page, nil
	}
	e.call("GET", "/v1/streams", "").is(200, `{"streams":[{"stream":"new",`+defaults+`},`+ordersHead+`}],"next":"orders"}`)
	page = hub.StreamPage{}
	e.call("GET", "/v1/streams?prefix=or&cursor=orders&limit=1000", "").is(200, `{"streams":[]}`)
	e.call("GET", "/v1/streams?prefix=", "").is(200, `{"streams":[]}`)
	if want := []string{"++100", "or+orders+1000", "++100"}; !slices.Equal(asked, want) {
		t.Errorf("the broker is asked for %q, want %q", asked, want)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "prefix=a&prefix=b", "prefix=*", "prefix=-", "stream=a"} {
		e.call("GET", "/v1/streams?"+query, "").problem(hub.CodeInvalidRequest)
	}
}

func TestDeletedStreamIsGoneWithoutAWord(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var deleted string
	e.broker.deleteStream = func(stream string) error {
		deleted = stream
		return nil
	}
	e.call("DELETE", "/v1/streams/orders", "").nothing()
	if deleted != "orders" {
		t.Errorf("%q was deleted", deleted)
	}
	e.broker.deleteStream = func(string) error {
		return &hub.Error{Code: hub.CodeUnavailable, RetryAfter: time.Second, Detail: "no"}
	}
	e.call("DELETE", "/v1/streams/orders", "").problem(hub.CodeUnavailable)
}

func TestPruneTellsWhatGoes(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var asked []bool
	pruned := hub.Pruned{Events: 123, Last: hub.ID{MS: 5, Seq: 1}, Owed: []string{"billing"}}
	e.broker.prune = func(_ string, dry bool) (hub.Pruned, error) {
		asked = append(asked, dry)
		return pruned, nil
	}
	e.call("POST", "/v1/streams/orders/prune?dry_run=true", "").is(200, `{"stream":"orders","dry_run":true,"events":123,"last_id":"5-1","owed_by":["billing"]}`)
	pruned = hub.Pruned{}
	e.call("POST", "/v1/streams/orders/prune", "").is(200, `{"stream":"orders","dry_run":false,"events":0,"owed_by":[]}`)
	e.call("POST", "/v1/streams/orders/prune?dry_run=false", "").is(200, `{"stream":"orders","dry_run":false,"events":0,"owed_by":[]}`)
	if !slices.Equal(asked, []bool{true, false, false}) {
		t.Errorf("the broker is asked for %v", asked)
	}
	for _, query := range []string{"dry_run", "dry_run=yes", "dry=true", "dry_run=true&dry_run=true"} {
		e.call("POST", "/v1/streams/orders/prune?"+query, "").problem(hub.CodeInvalidRequest)
	}
}

func TestOneEventIsReadAndDeleted(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.event = func(stream string, id hub.ID) (hub.Event, error) {
		return hub.Event{ID: id.String(), Stream: stream, Time: id.Time(), Type: "t", Data: []byte(`{"b":1.10}`)}, nil
	}
	e.call("GET", "/v1/streams/orders/events/1763650000000-5", "").
		is(200, `{"id":"1763650000000-5","stream":"orders","type":"t","time":"2025-11-20T14:46:40.000Z","content_type":"application/json","data":{"b":1.10}}`)
	var deleted string
	e.broker.deleteEvent = func(stream string, id hub.ID) error {
		deleted = stream + "/" + id.String()
		return nil
	}
	e.call("DELETE", "/v1/streams/orders/events/5-1", "").nothing()
	if deleted != "orders/5-1" {
		t.Errorf("%q was deleted", deleted)
	}
	for _, code := range []hub.Code{hub.CodeEventNotFound, hub.CodeStreamNotFound} {
		e.broker.event = func(string, hub.ID) (hub.Event, error) { return hub.Event{}, hub.Errorf(code, "no") }
		e.call("GET", "/v1/streams/orders/events/5-1", "").problem(code)
	}
	for _, id := range []string{"5", "5-", "x", "-1-0", "5-1-2", "18446744073709551616-0", strings.Repeat("1", 1000)} {
		for _, method := range []string{"GET", "DELETE"} {
			if p := e.call(method, "/v1/streams/orders/events/"+id, "").problem(hub.CodeInvalidRequest); len(p.Detail) > 300 {
				t.Errorf("the detail is %q", p.Detail)
			}
		}
	}
}
