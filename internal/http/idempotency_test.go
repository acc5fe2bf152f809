package http_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestIdempotencyKeysArePassedOn(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	last := e.keep()
	e.call("POST", "/v1/streams/orders/events", `[{"data":1,"idempotency_key":"a"},{"data":2}]`, "Idempotency-Key: whole é").
		is(201, `{"ids":["1763650000000-0","1763650000000-1"],"stream":"orders"}`)
	if last.Key != "whole é" || last.Events[0].IdempotencyKey != "a" || last.Events[1].IdempotencyKey != "" {
		t.Errorf("what is published is %+v", last)
	}
	long := strings.Repeat("k", 256)
	e.call("POST", "/v1/streams/orders/raw", "x", "Idempotency-Key: "+long).is(201, `{"id":"1763650000000-0","stream":"orders"}`)
	if last.Key != long {
		t.Errorf("what is published is %+v", last)
	}
}

func TestFaultyIdempotencyKeyIsRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
		t.Error("the broker was called")
		return hub.Published{}, errors.New("no")
	}
	e.broker.broadcast = func(string, []hub.Event) ([]string, error) {
		t.Error("the broker was called")
		return nil, errors.New("no")
	}
	body := `[{"stream":"orders","data":1}]`
	for _, path := range []string{"/v1/streams/orders/events", "/v1/streams/orders/raw", "/v1/events"} {
		for _, key := range []string{"", strings.Repeat("k", 257), "a\tb", "\xff"} {
			if p := e.call("POST", path+"?if_exists=x", body, "Idempotency-Key: "+key).problem(hub.CodeInvalidRequest); pointers(p) != "?if_exists header Idempotency-Key" &&
				pointers(p) != "header Idempotency-Key ?if_exists" {
				t.Errorf("%s, %.10q: the faults are %v", path, key, p.Errors)
			}
		}
	}
	p := e.call("POST", "/v1/streams/orders/events", `{"data":1,"idempotency_key":""}`).problem(hub.CodeInvalidRequest)
	if pointers(p) != "/idempotency_key" {
		t.Errorf("the faults are %v", p.Errors)
	}
	// Nothing is kept of broadcasts.
	if p := e.call("POST", "/v1/broadcast/room", `{"data":1}`, "Idempotency-Key: k").problem(hub.CodeInvalidRequest); pointers(p) != "header Idempotency-Key" {
		t.Errorf("the faults are %v", p.Errors)
	}
	if p := e.call("POST", "/v1/broadcast/room", `[{"data":1},{"idempotency_key":"k"}]`).problem(hub.CodeInvalidRequest); pointers(p) != "/1/idempotency_key /1/data" {
		t.Errorf("the faults are %v", p.Errors)
	}
}

func TestReplayIsToldFromAFirstPublish(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var replayed []int
	e.broker.publish = func(_ context.Context, p hub.Publication) (hub.Published, error) {
		ids := make([]hub.ID, len(p.Events))
		for i := range ids {
			ids[i] = hub.ID{MS: 5, Seq: uint64(i)}
		}
		return hub.Published{IDs: ids, Replayed: replayed}, nil
	}
	const three = `[{"data":1},{"data":2},{"data":3}]`
	for _, tc := range []struct {
		body     string
		replayed []int
		status   int
		want     string
	}{
		{`{"data":1}`, nil, 201, `{"id":"5-0","stream":"orders"}`},
		{`{"data":1}`, []int{0}, 200, `{"id":"5-0","stream":"orders"}`},
		{three, nil, 201, `{"ids":["5-0","5-1","5-2"],"stream":"orders"}`},
		{three, []int{0, 2}, 201, `{"ids":["5-0","5-1","5-2"],"stream":"orders","replayed":[0,2]}`},
		{three, []int{0, 1, 2}, 200, `{"ids":["5-0","5-1","5-2"],"stream":"orders"}`},
	} {
		replayed = tc.replayed
		a := e.call("POST", "/v1/streams/orders/events", tc.body)
		a.is(tc.status, tc.want)
		if got := a.Header().Get("Idempotency-Replayed"); got == "true" != (tc.status == 200) {
			t.Errorf("%s with %v replayed: the header is %q", tc.body, tc.replayed, got)
		}
	}
}

func TestConflictNamesEachKeyWhereItStands(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var engine []string
	e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
		err := &hub.Error{Code: hub.CodeConflict, Detail: "as the engine says"}
		for _, pointer := range engine {
			err.Faults = append(err.Faults, hub.Fault{Pointer: pointer, Detail: "was given before"})
		}
		return hub.Published{}, err
	}
	const event = `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`
	for _, tc := range []struct{ engine, body, header, want string }{
		{"/0/idempotency_key", `{"data":1}`, "", "/idempotency_key"},
		{"/0/idempotency_key", `[{"data":1}]`, "", "/0/idempotency_key"},
		{"/0/idempotency_key /2/idempotency_key", `[{"data":1},{"data":1},{"data":1}]`, "", "/0/idempotency_key /2/idempotency_key"},
		{"Idempotency-Key", `{"data":1}`, "", "header Idempotency-Key"},
		{"/1/idempotency_key", "{\"data\":1}\n\n{\"data\":2}", "Content-Type: application/x-ndjson", "/1/idempotency_key"},
		{"/0/idempotency_key", event, "Content-Type: application/cloudevents+json", "/id"},
		{"/1/idempotency_key", "[" + event + "," + event + "]", "Content-Type: application/cloudevents-batch+json", "/1/id"},
		{"", `{"data":1}`, "", ""},
	} {
		engine = strings.Fields(tc.engine)
		p := e.call("POST", "/v1/streams/orders/events", tc.body, tc.header).problem(hub.CodeConflict)
		if got := pointers(p); got != tc.want || len(engine) > 0 && !strings.Contains(p.Detail, p.Errors[0].Pointer+" was given before") {
			t.Errorf("%s of %s is told at %q: %s", tc.engine, tc.body, got, p.Detail)
		}
	}
	engine = []string{"/0/idempotency_key"}
	p := e.call("POST", "/v1/streams/orders/events", "", "ce-specversion: 1.0", "ce-id: 1", "ce-source: /s", "ce-type: t").problem(hub.CodeConflict)
	if pointers(p) != "header ce-id" {
		t.Errorf("the faults are %v", p.Errors)
	}
}
