package http_test

import (
	nethttp "net/http"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestUnknownPathIsAProblem(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, path := range []string{"/", "/v1", "/v1/", "/v2/streams/orders/events", "/v1/streams/orders/", "/v1/streams/orders/events/", "/livez/x"} {
		p := e.call("GET", path, "").problem(hub.CodeNotFound)
		if !strings.Contains(p.Detail, path) {
			t.Errorf("%s: the detail is %q", path, p.Detail)
		}
	}
	long := "/" + strings.Repeat("x", 10_000)
	if p := e.call("GET", long, "").problem(hub.CodeNotFound); len(p.Detail) > 500 {
		t.Errorf("a path of %d bytes is repeated in %d", len(long), len(p.Detail))
	}
}

func TestWrongMethodIsToldTheRightOnes(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for path, want := range map[string][]string{
		"/livez":                    {"GET"},
		"/readyz":                   {"GET"},
		"/metrics":                  {"GET"},
		"/openapi.yaml":             {"GET"},
		"/v1/events":                {"POST"},
		"/v1/streams":               {"GET"},
		"/v1/streams/orders":        {"GET", "PUT", "DELETE"},
		"/v1/streams/orders/events": {"GET", "POST"},
		"/v1/streams/orders/raw":    {"POST"},
		"/v1/streams/orders/prune":  {"POST"},
		"/v1/sinks":                 {"GET"},
		"/v1/sinks/billing":         {"GET", "PUT", "DELETE"},
		"/v1/sinks/billing/ws":      {"GET"},
		"/v1/sinks/billing/pull":    {"POST"},
		"/v1/sinks/billing/acks":    {"POST"},
		"/v1/sinks/billing/nacks":   {"POST"},
		"/v1/sinks/billing/extend":  {"POST"},
		"/v1/sinks/billing/seek":    {"POST"},
		"/v1/sinks/billing/pending": {"GET"},

		"/v1/streams/orders/events/1-0":          {"GET", "DELETE"},
		"/v1/sinks/billing/dead-letters":         {"GET", "DELETE"},
		"/v1/sinks/billing/dead-letters/redrive": {"POST"},

		"/v1/channels":         {"GET"},
		"/v1/channels/room-1":  {"GET"},
		"/v1/broadcast/room-1": {"POST"},
		"/v1/broadcast/ws":     {"GET", "POST"}, // also the name of a channel
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"} {
			if slices.Contains(want, method) {
				continue
			}
			a := e.call(method, path, "")
			a.problem(hub.CodeMethodNotAllowed)
			allow := slices.DeleteFunc(a.Header().Values("Allow"), func(m string) bool { return m == "HEAD" })
			if !slices.Equal(allow, want) {
				t.Errorf("%s %s: Allow is %q, want %q", method, path, allow, want)
			}
		}
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, path := range []string{"/livez", "/readyz", "/openapi.yaml", "/v1/sinks/billing", "/v1/sinks/.x", "/v1/streams/orders", "/v1/streams/orders/events/1-0", "/v1/channels", "/v1/channels/room-1", "/nowhere"} {
		get, head := e.call("GET", path, ""), e.call("HEAD", path, "")
		if head.Code != get.Code || head.Header().Get("Content-Type") != get.Header().Get("Content-Type") {
			t.Errorf("%s: HEAD is answered %d, %v", path, head.Code, head.Header())
		}
	}
}

func TestChannelMayHaveTheNameOfAnEndpoint(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.broadcast = func(channel string, _ []hub.Event) ([]string, error) { return []string{channel}, nil }
	e.call("POST", "/v1/broadcast/ws", `{"data":1}`).is(202, `{"id":"ws"}`)
}

func TestNamesInPathsAreChecked(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, path := range []string{"/v1/streams/%7Ba%7D/events", "/v1/streams/a%20b/events", "/v1/sinks/-x/acks", "/v1/broadcast/%C3%A4", "/v1/broadcast/" + strings.Repeat("x", 129)} {
		e.call("POST", path, `{"data":1}`).problem(hub.CodeInvalidName)
	}
	for _, request := range []string{
		"GET /v1/streams/.x", "PUT /v1/streams/.x", "DELETE /v1/streams/.x", "POST /v1/streams/.x/raw", "POST /v1/streams/.x/prune",
		"GET /v1/channels/.x", "GET /v1/streams/.x/events/1-0", "DELETE /v1/streams/.x/events/1-0",
		"GET /v1/sinks/.x", "PUT /v1/sinks/.x", "DELETE /v1/sinks/.x", "POST /v1/sinks/.x/pull", "POST /v1/sinks/.x/nacks", "POST /v1/sinks/.x/extend",
		"POST /v1/sinks/.x/seek", "GET /v1/sinks/.x/pending", "GET /v1/sinks/.x/dead-letters", "DELETE /v1/sinks/.x/dead-letters",
		"POST /v1/sinks/.x/dead-letters/redrive",
	} {
		method, path, _ := strings.Cut(request, " ")
		e.call(method, path, "").problem(hub.CodeInvalidName)
	}
}

func TestNamesMatchHoweverTheyAreEscaped(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, path := range []string{"/v1/streams/a:b/events", "/v1/streams/a%3Ab/events", "/v1/streams/%61%3ab/events"} {
		e.call("POST", path, `{"data":1}`).is(201, `{"id":"1763650000000-0","stream":"a:b"}`)
	}
}

func TestDocumentsAreServed(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for path, want := range map[string]string{"/openapi.yaml": "openapi: 3.1.0", "/asyncapi.yaml": "asyncapi: 3.0.0"} {
		if a := e.call("GET", path, ""); a.Code != nethttp.StatusOK || a.Body.String() != want || a.Header().Get("Content-Type") != "application/yaml" {
			t.Errorf("%s: status %d, %q, %q", path, a.Code, a.Header().Get("Content-Type"), a.Body)
		}
	}
}

func TestSocketsSayWhatIsWrongAsAProblem(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, path := range []string{"/v1/sinks/billing/ws", "/v1/broadcast/ws"} {
		a := e.call("GET", path, "")
		a.problem(hub.CodeUpgradeRequired)
		if a.Header().Get("Upgrade") != "websocket" || a.Header().Get("Connection") != "Upgrade" {
			t.Errorf("%s: 426 without the headers that RFC 9110 §15.5.22 wants: %v", path, a.Header())
		}
	}
}
