package http_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// publishAs has each stream answer as it is told: with an error, or with replays.
func (e *edge) publishAs(failures map[string]error, replayed map[string][]int) {
	e.broker.publish = func(_ context.Context, p hub.Publication) (hub.Published, error) {
		if err := failures[p.Stream]; err != nil {
			return hub.Published{}, err
		}
		ids := make([]hub.ID, len(p.Events))
		for i := range ids {
			ids[i] = hub.ID{MS: uint64(len(p.Stream)), Seq: uint64(i)}
		}
		return hub.Published{IDs: ids, Replayed: replayed[p.Stream]}, nil
	}
}

const (
	mixed   = `[{"stream":"a","data":1},{"stream":"bb","data":2},{"stream":"a","data":3}]`
	results = `{"results":[{"stream":"a","id":"1-0"},{"stream":"bb","id":"2-0"},{"stream":"a","id":"1-1"}]}`
)

func TestEventsOfSeveralStreamsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var mu sync.Mutex
	var got []string
	e.publishAs(nil, nil)
	answer := e.broker.publish
	e.broker.publish = func(ctx context.Context, p hub.Publication) (hub.Published, error) {
		mu.Lock()
		defer mu.Unlock()
		var data []string
		for _, event := range p.Events {
			data = append(data, string(event.Data))
		}
		got = append(got, fmt.Sprint(p.Stream, data, p.Key, p.IfExists))
		return answer(ctx, p)
	}
	e.call("POST", "/v1/events?if_exists=true", mixed, "Idempotency-Key: k").is(201, results)
	if slices.Sort(got); !slices.Equal(got, []string{"a[1 3]ktrue", "bb[2]ktrue"}) {
		t.Errorf("what is published is %q", got)
	}
	lines := strings.NewReplacer("},", "}\n", "[", "", "]", "").Replace(mixed)
	e.call("POST", "/v1/events", lines, "Content-Type: application/x-ndjson").is(201, results)
	e.call("POST", "/v1/events", `[{"stream":"a","data":1}]`).is(201, `{"results":[{"stream":"a","id":"1-0"}]}`)
}

func TestStreamsArePublishedToAtOnce(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	both := sync.WaitGroup{}
	both.Add(2)
	e.broker.publish = func(_ context.Context, p hub.Publication) (hub.Published, error) {
		both.Done()
		both.Wait() // for the other stream
		return hub.Published{IDs: make([]hub.ID, len(p.Events))}, nil
	}
	if a := e.call("POST", "/v1/events", mixed); a.Code != 201 {
		t.Errorf("status %d", a.Code)
	}
}

func TestReplaysOfSeveralStreamsAreMarked(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.publishAs(nil, map[string][]int{"a": {1}})
	a := e.call("POST", "/v1/events", mixed)
	a.is(201, strings.Replace(results, `"1-1"}`, `"1-1","replayed":true}`, 1))
	if a.Header().Get("Idempotency-Replayed") != "" {
		t.Error("a request of which something is new is called a replay")
	}
	e.publishAs(nil, map[string][]int{"a": {0, 1}, "bb": {0}})
	a = e.call("POST", "/v1/events", mixed)
	a.is(200, strings.ReplaceAll(results, `"}`, `","replayed":true}`))
	if a.Header().Get("Idempotency-Replayed") != "true" {
		t.Error("a replay is not called one")
	}
}

func TestStreamThatFailsLeavesTheOthersStored(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.publishAs(map[string]error{"a": hub.Errorf(hub.CodeStreamNotFound, "no stream a")}, map[string][]int{"bb": {0}})
	e.call("POST", "/v1/events", mixed).is(207, `{"results":[{"stream":"a","code":"stream_not_found","detail":"no stream a"},`+
		`{"stream":"bb","id":"2-0","replayed":true},{"stream":"a","code":"stream_not_found","detail":"no stream a"}]}`)
	if log := e.log.String(); log != "" {
		t.Errorf("the log has %q", log)
	}
	// A conflict is told by the event's place in the request.
	conflict := &hub.Error{Code: hub.CodeConflict, Detail: "no", Faults: []hub.Fault{{Pointer: "/1/idempotency_key", Detail: "was given before"}}}
	e.publishAs(map[string]error{"a": conflict}, nil)
	const detail = `"code":"conflict","detail":"nothing was stored: /2/idempotency_key was given before"}`
	e.call("POST", "/v1/events", mixed).is(207, `{"results":[{"stream":"a",`+detail+`,{"stream":"bb","id":"2-0"},{"stream":"a",`+detail+`]}`)
	// What the hub or Redis is to blame for is logged, and says nothing of itself.
	e.publishAs(map[string]error{"bb": errors.New("hunter2")}, nil)
	a := e.call("POST", "/v1/events", mixed)
	if a.Code != 207 || strings.Contains(a.Body.String(), "hunter2") || !strings.Contains(a.Body.String(), `"code":"internal"`) {
		t.Errorf("status %d with %s", a.Code, a.Body)
	}
	if log := e.log.String(); !strings.Contains(log, "hunter2") || !strings.Contains(log, `"stream":"bb"`) {
		t.Errorf("the log has %q", log)
	}
}

// Nothing that was not stored may look like a success at a glance.
func TestOutageIsNoPartialSuccess(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	unavailable := &hub.Error{Code: hub.CodeUnavailable, Detail: "no", RetryAfter: time.Second}
	e.publishAs(map[string]error{"a": unavailable, "bb": unavailable}, nil)
	a := e.call("POST", "/v1/events", mixed)
	a.problem(hub.CodeUnavailable)
	if a.Header().Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	e.publishAs(map[string]error{"a": unavailable, "bb": hub.Errorf(hub.CodeUnconfirmed, "lost")}, nil)
	e.call("POST", "/v1/events", mixed).problem(hub.CodeUnconfirmed)
	e.publishAs(map[string]error{"a": hub.Errorf(hub.CodeStorageFull, "full"), "bb": unavailable}, nil)
	e.call("POST", "/v1/events", mixed).problem(hub.CodeStorageFull)
	// One stream that answers for itself tells that it is no outage.
	e.publishAs(map[string]error{"a": unavailable, "bb": hub.Errorf(hub.CodeStreamFull, "full")}, nil)
	if a := e.call("POST", "/v1/events", mixed); a.Code != 207 {
		t.Errorf("status %d with %s", a.Code, a.Body)
	}
}

func TestFaultyEventsOfSeveralStreamsReachNoBroker(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) {
		t.Error("the broker was called")
		return hub.Published{}, errors.New("no")
	}
	p := e.call("POST", "/v1/events", `[{"stream":"a","data":1},{"data":2},{"stream":"-","data":3},{"stream":7,"data":4},{"stream":"b"}]`).problem(hub.CodeInvalidRequest)
	if got, want := pointers(p), "/1/stream /2/stream /3/stream /4/data"; got != want {
		t.Errorf("the faults are at %s, want %s", got, want)
	}
	e.call("POST", "/v1/events", `{"stream":"a","data":1}`).problem(hub.CodeInvalidRequest)
	e.call("POST", "/v1/events", `[]`).problem(hub.CodeInvalidRequest)
	const one = `{"specversion":"1.0","id":"7","source":"/s","type":"t"}`
	e.call("POST", "/v1/events", one, "Content-Type: application/cloudevents+json").problem(hub.CodeUnsupportedMedia)
	e.call("POST", "/v1/events", "["+one+"]", "Content-Type: application/cloudevents-batch+json").problem(hub.CodeUnsupportedMedia)
	e.call("POST", "/v1/events", mixed, "ce-specversion: 1.0").problem(hub.CodeUnsupportedMedia)
	// The other streams' field is unknown where the request names the stream.
	if p := e.call("POST", "/v1/streams/a/events", `{"stream":"a","data":1}`).problem(hub.CodeInvalidRequest); pointers(p) != "/stream" {
		t.Errorf("the faults are %v", p.Errors)
	}
}

func TestStreamsOfARequestAreBounded(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.server = http.NewServer(http.Options{Broker: e.broker})
	body := func(n int) string {
		var events []string
		for i := range n {
			events = append(events, fmt.Sprintf(`{"stream":"s%d","data":1}`, i))
		}
		return "[" + strings.Join(events, ",") + "]"
	}
	if a := e.call("POST", "/v1/events", body(100)); a.Code != 201 {
		t.Errorf("status %d with %s", a.Code, a.Body)
	}
	e.call("POST", "/v1/events", body(101)).problem(hub.CodeInvalidRequest)
}
