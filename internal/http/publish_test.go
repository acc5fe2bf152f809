package http_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestPublishAnswersInTheFormOfTheRequest(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("POST", "/v1/streams/orders/events", `{"data":1}`).is(201, `{"id":"1763650000000-0","stream":"orders"}`)
	e.call("POST", "/v1/streams/orders/events", `[{"data":1}]`).is(201, `{"ids":["1763650000000-0"],"stream":"orders"}`)
	e.call("POST", "/v1/streams/orders/events", `[{"data":1},{"data":2}]`).is(201, `{"ids":["1763650000000-0","1763650000000-1"],"stream":"orders"}`)
	e.call("POST", "/v1/broadcast/room", `{"data":1}`).is(202, `{"id":"m-a"}`)
	e.call("POST", "/v1/broadcast/room", `[{"data":1},{"data":2}]`).is(202, `{"ids":["m-a","m-b"]}`)
}

// keep has publishes remembered; the answer is the last of them.
func (e *edge) keep() *hub.Publication {
	var last hub.Publication
	e.broker.publish = func(_ context.Context, p hub.Publication) (hub.Published, error) {
		last = p
		ids := make([]hub.ID, len(p.Events))
		for i := range ids {
			ids[i] = hub.ID{MS: 1763650000000, Seq: uint64(i)}
		}
		return hub.Published{IDs: ids}, nil
	}
	return &last
}

// pointers are the places of the faults.
func pointers(p problem) string {
	list := make([]string, len(p.Errors))
	for i, fault := range p.Errors {
		list[i] = fault.Pointer
	}
	return strings.Join(list, " ")
}

func TestLinesAreAnsweredAsAnArray(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	last := e.keep()
	const lines = "Content-Type: application/x-ndjson"
	e.call("POST", "/v1/streams/orders/events", `{"data":1.10}`, lines).is(201, `{"ids":["1763650000000-0"],"stream":"orders"}`)
	e.call("POST", "/v1/streams/orders/events", "\n{\"data\":1.10}\r\n\n{\"data\": 2}\n", lines+"; charset=utf-8").
		is(201, `{"ids":["1763650000000-0","1763650000000-1"],"stream":"orders"}`)
	if len(last.Events) != 2 || string(last.Events[0].Data) != "1.10" || string(last.Events[1].Data) != "2" {
		t.Errorf("what is published is %+v", last)
	}
	e.call("POST", "/v1/broadcast/room", "{\"data\":1}\n{\"data\":2}", lines).is(202, `{"ids":["m-a","m-b"]}`)
	p := e.call("POST", "/v1/streams/orders/events", "{\"data\":1}\n\n{\n{\"date\":2}\n3", lines).problem(hub.CodeInvalidRequest)
	if got, want := pointers(p), "/1 /2/date /2/data /3"; got != want {
		t.Errorf("the faults are at %s, want %s", got, want)
	}
}

func TestIfExistsIsPassedOn(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	last := e.keep()
	for _, path := range []string{"/v1/streams/orders/events", "/v1/streams/orders/raw", "/v1/events"} {
		for query, want := range map[string]bool{"": false, "?if_exists=true": true, "?if_exists=false": false} {
			body := `[{"data":1}]`
			if path == "/v1/events" {
				body = `[{"stream":"orders","data":1}]`
			}
			if a := e.call("POST", path+query, body); a.Code != 201 || last.IfExists != want {
				t.Errorf("%s%s: if_exists is %t, status %d", path, query, last.IfExists, a.Code)
			}
		}
		for _, query := range []string{"if_exists", "if_exists=1", "if_exists=TRUE", "if_exists=true&if_exists=true"} {
			if p := e.call("POST", path+"?"+query, `[{"data":1}]`).problem(hub.CodeInvalidRequest); pointers(p) != "?if_exists" {
				t.Errorf("%s?%s: the faults are %v", path, query, p.Errors)
			}
		}
	}
}

func TestFaultyPublishReachesNoBroker(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
		t.Error("the broker was called")
		return hub.Published{}, errors.New("no")
	}
	p := e.call("POST", "/v1/streams/orders/events", `[{"data":1},{"date":2},3]`).problem(hub.CodeInvalidRequest)
	if got, want := pointers(p), "/1/date /1/data /2"; got != want {
		t.Errorf("the faults are at %s, want %s", got, want)
	}
	e.call("POST", "/v1/streams/orders/events", `{"data":"`+strings.Repeat("x", smallLimits.EventBytes)+`"}`).problem(hub.CodePayloadTooLarge)
	e.call("POST", "/v1/streams/orders/events", "["+strings.Repeat(`{"data":1},`, smallLimits.BatchEvents)+`{"data":1}]`).problem(hub.CodePayloadTooLarge)
}

func TestBusyBrokerSaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, c := range []hub.Code{hub.CodeUnavailable, hub.CodeUnconfirmed} {
		for wait, most := range map[time.Duration]int{time.Millisecond: 2, time.Second: 2, 1500 * time.Millisecond: 4, 10 * time.Second: 20} {
			e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
				return hub.Published{}, fmt.Errorf("wrapped: %w", &hub.Error{Code: c, Detail: "publishing: no", RetryAfter: wait})
			}
			for range 20 {
				a := e.call("POST", "/v1/streams/orders/events", `{"data":1}`)
				a.problem(c)
				seconds, err := strconv.Atoi(a.Header().Get("Retry-After"))
				if err != nil || time.Duration(seconds)*time.Second < wait || seconds > most {
					t.Fatalf("after %s is said as Retry-After: %q", wait, a.Header().Get("Retry-After"))
				}
			}
		}
	}
}

func TestErrorNobodyKnowsSaysNothingAndIsLogged(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
		return hub.Published{}, errors.New("dial 10.0.0.7: hunter2")
	}
	a := e.call("POST", "/v1/streams/orders/events", `{"data":1}`, "X-Request-Id: my-request")
	a.problem(hub.CodeInternal)
	if strings.Contains(a.Body.String(), "hunter2") || a.Header().Get("Retry-After") != "" {
		t.Errorf("the client is told %s, %v", a.Body, a.Header())
	}
	if log := e.log.String(); !strings.Contains(log, "hunter2") || !strings.Contains(log, "my-request") {
		t.Errorf("the log has %q", log)
	}
}

func TestFaultOfTheClientIsNotLogged(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("POST", "/v1/streams/orders/events", `{`)
	e.call("GET", "/nowhere", "")
	if log := e.log.String(); log != "" {
		t.Errorf("the log has %q", log)
	}
}
