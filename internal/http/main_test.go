package http_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"eventhub/internal/auth"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// edge is the API over a fake broker, without a network.
type edge struct {
	t        *testing.T
	broker   *fakeBroker
	socket   http.Socket // nil: it refuses
	server   *http.Server
	log      *syncBuffer
	level    slog.LevelVar
	registry *prometheus.Registry
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu   sync.Mutex // protects the field below
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var smallLimits = hub.Limits{EventBytes: 100, BatchEvents: 10, BatchBytes: 1000}

func newEdge(t *testing.T) *edge {
	t.Helper()
	return newEdgeWith(t, http.Options{})
}

// newEdgeWith is newEdge with options; those that it has itself are set.
func newEdgeWith(t *testing.T, opts http.Options) *edge {
	t.Helper()
	e := &edge{t: t, broker: &fakeBroker{}, log: &syncBuffer{}, registry: prometheus.NewRegistry()}
	socket := func(w nethttp.ResponseWriter, r *nethttp.Request, who *auth.Principal) error {
		if e.socket != nil {
			return e.socket(w, r, who)
		}
		return hub.Errorf(hub.CodeUpgradeRequired, "connect with a WebSocket client")
	}
	opts.Broker, opts.Sink, opts.Reader, opts.Broadcast, opts.Limits = e.broker, socket, socket, socket, smallLimits
	opts.OpenAPI, opts.AsyncAPI = []byte("openapi: 3.1.0"), []byte("asyncapi: 3.0.0")
	opts.Admin = &http.Admin{Metrics: nethttp.NotFoundHandler(), Level: &e.level}
	opts.Log, opts.Registry = slog.New(slog.NewJSONHandler(e.log, &slog.HandlerOptions{Level: &e.level})), e.registry
	e.server = http.NewServer(opts)
	return e
}

// answer is what a client got.
type answer struct {
	*httptest.ResponseRecorder
	t *testing.T
}

// call sends a request; header is "Name: value".
func (e *edge) call(method, path, body string, header ...string) answer {
	e.t.Helper()
	r := httptest.NewRequestWithContext(e.t.Context(), method, path, strings.NewReader(body))
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	return e.send(r)
}

func (e *edge) send(r *nethttp.Request) answer {
	w := httptest.NewRecorder()
	e.server.Handler().ServeHTTP(w, r)
	return answer{w, e.t}
}

// problem is RFC 9457's, as the API promises it.
type problem struct {
	Type, Title, Detail string
	Status              int
	Code                hub.Code
	RequestID           string `json:"request_id"`
	Errors              []hub.Fault
}

// problem makes sure that the answer is a problem with this code.
func (a answer) problem(want hub.Code) problem {
	a.t.Helper()
	var p problem
	if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil {
		a.t.Fatalf("status %d with %q: %v", a.Code, a.Body, err)
	}
	if p.Code != want || a.Code != want.Status() || p.Status != a.Code {
		a.t.Errorf("status %d with code %q in %s, want %d with %q", a.Code, p.Code, a.Body, want.Status(), want)
	}
	if got := a.Header().Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("the Content-Type of a problem is %q", got)
	}
	if p.Title != want.Title() || p.Type != "urn:eventhub:problem:"+string(want) || p.Detail == "" {
		a.t.Errorf("the problem is %s", a.Body)
	}
	if id := a.Header().Get("X-Request-Id"); id == "" || p.RequestID != id {
		a.t.Errorf("request_id is %q, the header says %q", p.RequestID, id)
	}
	return p
}

// is makes sure that the answer is a success with this body.
func (a answer) is(status int, body string) {
	a.t.Helper()
	if a.Code != status || strings.TrimSpace(a.Body.String()) != body {
		a.t.Errorf("status %d with\n%s, want %d with\n%s", a.Code, a.Body, status, body)
	}
	if got := a.Header().Get("Content-Type"); got != "application/json" {
		a.t.Errorf("the Content-Type is %q", got)
	}
}

// nothing makes sure that the answer is a success without a body.
func (a answer) nothing() {
	a.t.Helper()
	if a.Code != nethttp.StatusNoContent || a.Body.Len() > 0 {
		a.t.Errorf("status %d with %q, want 204", a.Code, a.Body)
	}
}
