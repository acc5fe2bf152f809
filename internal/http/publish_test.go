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

func TestFaultyPublishReachesNoBroker(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.publish = func(context.Context, string, []hub.Event) ([]hub.ID, error) {
		t.Error("the broker was called")
		return nil, errors.New("no")
	}
	p := e.call("POST", "/v1/streams/orders/events", `[{"data":1},{"date":2},3]`).problem(hub.CodeInvalidRequest)
	var pointers []string
	for _, fault := range p.Errors {
		pointers = append(pointers, fault.Pointer)
	}
	if got, want := strings.Join(pointers, " "), "/1/date /1/data /2"; got != want {
		t.Errorf("the faults are at %s, want %s", got, want)
	}
	e.call("POST", "/v1/streams/orders/events", `{"data":"`+strings.Repeat("x", smallLimits.EventBytes)+`"}`).problem(hub.CodePayloadTooLarge)
	e.call("POST", "/v1/streams/orders/events", "["+strings.Repeat(`{"data":1},`, smallLimits.BatchEvents)+`{"data":1}]`).problem(hub.CodePayloadTooLarge)
}

func TestIdempotencyKeyIsNotPassedOver(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.publish = func(context.Context, string, []hub.Event) ([]hub.ID, error) {
		t.Error("the broker was called")
		return nil, errors.New("no")
	}
	e.call("POST", "/v1/streams/orders/events", `{"data":1}`, "Idempotency-Key: k").problem(hub.CodeInvalidRequest)
	e.call("POST", "/v1/streams/orders/events", `{"data":1,"idempotency_key":"k"}`).problem(hub.CodeInvalidRequest)
}

func TestBusyBrokerSaysWhenToComeAgain(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, c := range []hub.Code{hub.CodeUnavailable, hub.CodeUnconfirmed} {
		for wait, most := range map[time.Duration]int{time.Millisecond: 2, time.Second: 2, 1500 * time.Millisecond: 4, 10 * time.Second: 20} {
			e.broker.publish = func(context.Context, string, []hub.Event) ([]hub.ID, error) {
				return nil, fmt.Errorf("wrapped: %w", &hub.Error{Code: c, Detail: "publishing: no", RetryAfter: wait})
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
	e.broker.publish = func(context.Context, string, []hub.Event) ([]hub.ID, error) {
		return nil, errors.New("dial 10.0.0.7: hunter2")
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
