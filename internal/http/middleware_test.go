package http_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eventhub/internal/auth"

	"eventhub/internal/hub"
)

func TestPanicIsAnswered500AndLogged(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) { panic("hunter2") }
	a := e.call("POST", "/v1/streams/orders/events", `{"data":1}`, "X-Request-Id: my-request")
	a.problem(hub.CodeInternal)
	if strings.Contains(a.Body.String(), "hunter2") {
		t.Errorf("the client is told the cause: %s", a.Body)
	}
	var logged struct {
		Level, Msg, Panic, Stack string
		RequestID                string `json:"request_id"`
	}
	line, _, _ := strings.Cut(e.log.String(), "\n")
	if err := json.Unmarshal([]byte(line), &logged); err != nil {
		t.Fatalf("%v: %q", err, line)
	}
	if logged.Level != "ERROR" || logged.Panic != "hunter2" || logged.RequestID != "my-request" || !strings.Contains(logged.Stack, "middleware_test.go") {
		t.Errorf("the log has %q", line)
	}
	e.call("GET", "/livez", "").is(200, `{"status":"ok"}`) // it goes on
}

func TestAbortedHandlerDropsTheConnection(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) { panic(nethttp.ErrAbortHandler) }
	defer func() {
		if cause := recover(); cause != nethttp.ErrAbortHandler { //nolint:errorlint // net/http compares like this
			t.Errorf("net/http gets %v", cause)
		}
	}()
	e.call("POST", "/v1/streams/orders/events", `{"data":1}`)
}

func TestPlainRequestIDIsKept(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, id := range []string{"a", "order-42_B.7", strings.Repeat("x", 64)} {
		a := e.call("GET", "/nowhere", "", "X-Request-Id: "+id)
		a.problem(hub.CodeNotFound)
		if got := a.Header().Values("X-Request-Id"); len(got) != 1 || got[0] != id {
			t.Errorf("%q became %q", id, got)
		}
	}
}

func TestOtherRequestIDIsReplaced(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	seen := map[string]bool{}
	for _, id := range []string{"", " ", "a b", strings.Repeat("x", 65), "ä", `"`, "<script>", "a/b", "a\tb", "a,b"} {
		got := e.call("GET", "/livez", "", "X-Request-Id: "+id).Header().Get("X-Request-Id")
		if got == id || len(got) < 16 || seen[got] {
			t.Errorf("%q became %q, want a new one", id, got)
		}
		seen[got] = true
	}
}

// series reads every series of the request metrics as its labels.
func (e *edge) series() []map[string]string {
	e.t.Helper()
	families, err := e.registry.Gather()
	if err != nil {
		e.t.Fatal(err)
	}
	var list []map[string]string
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "hub_http_") {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{"name": family.GetName()}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			list = append(list, labels)
		}
	}
	return list
}

func TestClientsCannotMakeMetrics(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.status = func(sink string) (hub.SinkStatus, error) {
		if rand.IntN(2) == 0 {
			return hub.SinkStatus{}, errors.New(sink)
		}
		return hub.SinkStatus{Sink: sink}, nil
	}
	for i := range 1000 {
		word := fmt.Sprintf("zz%dzz", i)
		path := strings.ReplaceAll([]string{
			"/W", "/v1/W", "/v1/streams/W/events", "/v1/streams/W/W", "/v1/sinks/W", "/v1/sinks/W/acks", "/v1/sinks/W/ws", "/v1/sinks/W/W",
			"/v1/broadcast/W", "/livez?W=W", "/W/../livez", "/v1/broadcast/ws/W",
		}[rand.IntN(12)], "W", word)
		method := []string{"GET", "POST", "DELETE", "HEAD", "CONNECT", strings.ToUpper(word), word}[rand.IntN(7)]
		e.call(method, path, `{"`+word+`":1}`, "X-Request-Id: "+word, "User-Agent: "+word, "Content-Type: application/json")
	}
	known := map[string]bool{"none": true}
	for _, route := range routes(t) {
		_, pattern, _ := strings.Cut(route, " ")
		known[pattern] = true
	}
	methods := map[string]bool{"": true, "GET": true, "POST": true, "DELETE": true, "HEAD": true, "other": true}
	series := e.series()
	for _, labels := range series {
		if !known[labels["route"]] || !methods[labels["method"]] {
			t.Errorf("there is a series %v", labels)
		}
		for _, value := range labels {
			if strings.Contains(strings.ToLower(value), "zz") {
				t.Errorf("a client's word is in the series %v", labels)
			}
		}
	}
	if n := len(series); n > 80 || n < 10 {
		t.Errorf("there are %d series", n)
	}
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("POST", "/v1/streams/orders/events", `{"data":1}`)
	e.call("POST", "/v1/streams/payments/events", `{"data":1}`)
	e.call("POST", "/v1/streams/payments/events", `{`)
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() != "hub_http_requests_total" {
				continue
			}
			var key []string
			for _, pair := range metric.GetLabel() { // sorted by name
				key = append(key, pair.GetValue())
			}
			got[strings.Join(key, " ")] = metric.GetCounter().GetValue()
		}
	}
	const route = "/v1/streams/{stream}/events"
	if len(got) != 2 || got["POST "+route+" 201"] != 2 || got["POST "+route+" 400"] != 1 {
		t.Errorf("the counters are %v", got)
	}
}

func TestSocketMayTakeTheConnection(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.socket = func(w nethttp.ResponseWriter, _ *nethttp.Request, _ *auth.Principal) error {
		conn, buffered, err := w.(nethttp.Hijacker).Hijack() // as coder/websocket does
		if err != nil {
			return err
		}
		defer conn.Close()
		_, _ = buffered.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello")
		return buffered.Flush()
	}
	if text, err := e.dialSocket(); err != nil || !strings.HasSuffix(text, "\r\n\r\nhello") {
		t.Errorf("the client reads %q (%v)", text, err)
	}
	// One series: a socket's life is no duration of a request.
	want := map[string]string{"name": "hub_http_requests_total", "route": "/v1/broadcast/ws", "method": "GET", "status": "101"}
	if series := e.series(); len(series) != 1 || !maps.Equal(series[0], want) {
		t.Errorf("the series are %v, want only %v", series, want)
	}
}

// dialSocket asks for a socket over the network, and returns what came until the
// handler had ended.
func (e *edge) dialSocket() (string, error) {
	ended := make(chan struct{})
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		defer close(ended)
		e.server.Handler().ServeHTTP(w, r)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1/broadcast/ws HTTP/1.1\r\nHost: hub\r\n\r\n"); err != nil {
		return "", err
	}
	text, err := io.ReadAll(conn)
	<-ended
	return string(text), err
}

func TestPanicOfASocketIsOnlyLogged(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.socket = func(w nethttp.ResponseWriter, _ *nethttp.Request, _ *auth.Principal) error {
		conn, _, err := w.(nethttp.Hijacker).Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		panic("hunter2")
	}
	if text, err := e.dialSocket(); err != nil || len(text) != 0 {
		t.Errorf("the client reads %q (%v) in the middle of another protocol", text, err)
	}
	if log := e.log.String(); !strings.Contains(log, "hunter2") {
		t.Errorf("the log has %q", log)
	}
}
