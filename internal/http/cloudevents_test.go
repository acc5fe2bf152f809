package http_test

import (
	"strings"
	"testing"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

func TestCloudEventIsPublishedInEachMode(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	last := e.keep()
	e.server = http.NewServer(http.Options{Broker: e.broker}) // with the usual limits
	const (
		one    = `{"specversion":"1.0","id":"7","source":"/shop","type":"order.created","subject":"eu.de","partitionkey":"k","datacontenttype":"application/json","data":{"b":1.10,"a":2}}`
		single = `{"id":"1763650000000-0","stream":"orders"}`
	)
	check := func(name string) {
		t.Helper()
		if len(last.Events) != 1 {
			t.Fatalf("%s: %d events", name, len(last.Events))
		}
		ev := last.Events[0]
		if ev.Type != "order.created" || ev.Topic != "eu.de" || ev.Key != "k" || ev.ContentType != "application/json" ||
			ev.IdempotencyKey != "/shop\x007" || string(ev.Data) != `{"b":1.10,"a":2}` || ev.Binary || !strings.Contains(string(ev.Headers), `"ce-subject":"eu.de"`) {
			t.Errorf("%s: the event is %+v", name, ev)
		}
	}
	e.call("POST", "/v1/streams/orders/events", one, "Content-Type: application/cloudevents+json; charset=UTF-8").is(201, single)
	check("structured")
	// A structured one may have its attributes as headers as well.
	e.call("POST", "/v1/streams/orders/events", one, "Content-Type: application/cloudevents+json", "ce-specversion: 1.0", "ce-id: 8").is(201, single)
	check("structured with headers")
	e.call("POST", "/v1/streams/orders/events", "["+one+"]", "Content-Type: application/cloudevents-batch+json").
		is(201, `{"ids":["1763650000000-0"],"stream":"orders"}`)
	check("batched")
	e.call("POST", "/v1/streams/orders/events", `{"b":1.10,"a":2}`, "Content-Type: application/json", "ce-specversion: 1.0", "ce-id: 7",
		"ce-source: /shop", "ce-type: order.created", "ce-subject: eu%2ede", "CE-PartitionKey: k").is(201, single)
	check("binary")
}

func TestCloudEventIsBroadcastWithoutAKey(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.broadcast = func(_ string, events []hub.Event) ([]string, error) {
		if events[0].IdempotencyKey != "" || events[0].Type != "t" {
			t.Errorf("what is broadcast is %+v", events[0])
		}
		return []string{"m"}, nil
	}
	e.call("POST", "/v1/broadcast/room", `{"specversion":"1.0","id":"7","source":"/s","type":"t"}`, "Content-Type: application/cloudevents+json").is(202, `{"id":"m"}`)
	e.call("POST", "/v1/broadcast/room", ``, "ce-specversion: 1.0", "ce-id: 7", "ce-source: /s", "ce-type: t").is(202, `{"id":"m"}`)
}

func TestFaultsOfACloudEventNameTheirPlace(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	p := e.call("POST", "/v1/streams/orders/events", `[{"specversion":"0.3","id":1,"type":"t"},2]`, "Content-Type: application/cloudevents-batch+json").problem(hub.CodeInvalidRequest)
	if got, want := pointers(p), "/0/specversion /0/id /0/source /1"; got != want {
		t.Errorf("the faults are at %s, want %s", got, want)
	}
	p = e.call("POST", "/v1/streams/orders/events", `{`, "Content-Type: application/json", "ce-specversion: 1.0", "ce-id: ", "ce-type: %c0%a0").problem(hub.CodeInvalidRequest)
	if got, want := pointers(p), "header ce-id header ce-type  header ce-source"; got != want {
		t.Errorf("the faults are at %q, want %q", got, want)
	}
	large := strings.Repeat("x", smallLimits.EventBytes+1)
	p = e.call("POST", "/v1/streams/orders/events", large, "ce-specversion: 1.0", "ce-id: 1", "ce-type: t", "ce-source: s").problem(hub.CodePayloadTooLarge)
	if !strings.Contains(p.Detail, "HUB_MAX_EVENT_BYTES") {
		t.Errorf("the detail is %q", p.Detail)
	}
}
