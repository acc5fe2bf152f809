package http_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

func TestJSONIsReadWhateverCurlCallsIt(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, header := range [][]string{
		nil,
		{"Content-Type: application/json"},
		{"Content-Type: application/json; charset=utf-8"},
		{"Content-Type: Application/JSON"},
		{"Content-Type: application/x-www-form-urlencoded"},
	} {
		e.call("POST", "/v1/streams/orders/events", `{"data":1}`, header...).is(201, `{"id":"1763650000000-0","stream":"orders"}`)
	}
}

func TestOtherMediaTypesAreRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, kind := range []string{"text/plain", "application/xml", "application/jsonx", "application/cloudevents+xml", "multipart/form-data; boundary=x", "json", ";", "application/json;;", strings.Repeat("x", 1000) + "/y"} {
		for _, path := range []string{"/v1/streams/orders/events", "/v1/events", "/v1/broadcast/room", "/v1/sinks/billing/acks"} {
			p := e.call("POST", path, `{"data":1}`, "Content-Type: "+kind).problem(hub.CodeUnsupportedMedia)
			if !strings.Contains(p.Detail, hub.JSONType) || len(p.Detail) > 500 {
				t.Errorf("%.40s: the detail is %q", kind, p.Detail)
			}
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	exact := `{"data":1` + strings.Repeat(" ", smallLimits.BatchBytes-len(`{"data":1}`)) + `}`
	e.call("POST", "/v1/streams/orders/events", exact).is(201, `{"id":"1763650000000-0","stream":"orders"}`)
	e.call("POST", "/v1/streams/orders/events", exact+" ").problem(hub.CodePayloadTooLarge)

	chunked := func(body io.Reader) answer {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/streams/orders/events", body)
		r.ContentLength = -1
		return e.send(r)
	}
	chunked(strings.NewReader(exact)).is(201, `{"id":"1763650000000-0","stream":"orders"}`)
	chunked(strings.NewReader(exact + " ")).problem(hub.CodePayloadTooLarge)
	endless := &counter{}
	chunked(endless).problem(hub.CodePayloadTooLarge)
	if endless.read > 1<<16 {
		t.Errorf("%d bytes of an endless body were read", endless.read)
	}
}

// A client may say that much will come, and then send nothing.
func TestPromisedBodyTakesNoMemoryBeforeItComes(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	const promised = 8 << 20
	server := http.NewServer(http.Options{Broker: e.broker, Sink: e.socket, Broadcast: e.socket})
	body := &pausing{first: make(chan int, 1), rest: make(chan struct{})}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/streams/orders/events", body)
	r.ContentLength = promised
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}()
	if room := receive(t, body.first, "a read"); room > 1<<20 {
		t.Errorf("there is room for %d bytes before any has come", room)
	}
	close(body.rest)
	receive(t, ended, "the end")
}

// pausing is a body that tells how much it is asked for, and ends once it may.
type pausing struct {
	first chan int
	rest  chan struct{}
}

func (p *pausing) Read(b []byte) (int, error) {
	select {
	case p.first <- len(b):
	default:
	}
	<-p.rest
	return 0, io.EOF
}

// counter is a body without an end.
type counter struct{ read int }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	c.read += len(b)
	return len(b), nil
}

func TestBodyThatIsNotThereIsAFault(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, path := range []string{
		"/v1/streams/orders/events", "/v1/events", "/v1/broadcast/room", "/v1/sinks/billing/acks", "/v1/sinks/billing/nacks", "/v1/sinks/billing/extend",
		"/v1/sinks/billing/seek", "/v1/sinks/billing/dead-letters/redrive",
	} {
		e.call("POST", path, "").problem(hub.CodeInvalidRequest)
	}

	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/streams/orders/events", strings.NewReader(`{"data"`))
	r.ContentLength = 100
	e.send(r).problem(hub.CodeInvalidRequest)
}

func TestUnknownQueryParametersAreRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, request := range [][2]string{
		{"POST", "/v1/streams/orders/events?iff_exists=true"},
		{"POST", "/v1/streams/orders/raw?x=1"},
		{"POST", "/v1/events?x=1"},
		{"POST", "/v1/broadcast/room?x"},
		{"POST", "/v1/broadcast/room?if_exists=true"},
		{"GET", "/v1/streams?x=1"},
		{"PUT", "/v1/streams/orders?x=1"},
		{"GET", "/v1/streams/orders?x=1"},
		{"DELETE", "/v1/streams/orders?x=1"},
		{"POST", "/v1/streams/orders/prune?x=1"},
		{"GET", "/v1/streams/orders/events/1-0?x=1"},
		{"DELETE", "/v1/streams/orders/events/1-0?x=1"},
		{"POST", "/v1/sinks/billing/acks?x=1"},
		{"GET", "/v1/sinks/billing?x=1"},
		{"PUT", "/v1/sinks/billing?x=1"},
		{"DELETE", "/v1/sinks/billing?x=1"},
		{"GET", "/v1/sinks?x=1"},
		{"POST", "/v1/sinks/billing/pull?x=1"},
		{"POST", "/v1/sinks/billing/nacks?x=1"},
		{"POST", "/v1/sinks/billing/extend?x=1"},
		{"POST", "/v1/sinks/billing/seek?x=1"},
		{"GET", "/v1/sinks/billing/pending?x=1"},
		{"GET", "/v1/sinks/billing/dead-letters?x=1"},
		{"DELETE", "/v1/sinks/billing/dead-letters?x=1"},
		{"POST", "/v1/sinks/billing/dead-letters/redrive?x=1"},
	} {
		if p := e.call(request[0], request[1], `{"data":1}`).problem(hub.CodeInvalidRequest); len(p.Errors) != 1 || p.Errors[0].Pointer[0] != '?' {
			t.Errorf("%s: the faults are %v", request[1], p.Errors)
		}
	}
}
