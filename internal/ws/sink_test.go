package ws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"eventhub/internal/auth"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/hub"
)

// patience is how long anything may take on a loaded machine before a test
// gives it up. Nothing waits that long when all is well.
const patience = 20 * time.Second

// peer is a client of a socket, with the engine behind it.
type peer struct {
	t        *testing.T
	conn     *websocket.Conn
	server   *Server
	broker   *fakeBroker
	consumer *fakeConsumer
	registry *prometheus.Registry
}

// connect dials a sink; query begins after "stream=orders".
func connect(t *testing.T, query string, prepare ...func(*fakeConsumer)) *peer {
	t.Helper()
	consumer := newFakeConsumer()
	for _, f := range prepare {
		f(consumer)
	}
	return newService(t, &fakeBroker{consumer: consumer}, Options{}).dial("/v1/sinks/billing/ws?stream=orders" + query)
}

// service is a server of sockets that listens.
type service struct {
	t        *testing.T
	broker   *fakeBroker
	server   *Server
	registry *prometheus.Registry
	url      string
	who      *auth.Principal
}

func newService(t *testing.T, broker *fakeBroker, opts Options) *service {
	t.Helper()
	registry := prometheus.NewRegistry()
	opts.MaxStreams, opts.Registry = 3, registry
	s := &service{t: t, broker: broker, server: NewServer(broker, opts), registry: registry, who: auth.Everybody()}
	mux := http.NewServeMux()
	for path, serve := range map[string]func(http.ResponseWriter, *http.Request, *auth.Principal) error{
		"GET /v1/sinks/{sink}/ws": s.server.ServeSink, "GET /v1/readers/ws": s.server.ServeReader, "GET /v1/broadcast/ws": s.server.ServeBroadcast,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := serve(w, r, s.who); err != nil {
				http.Error(w, err.Error(), http.StatusTeapot)
			}
		})
	}
	listener := httptest.NewServer(mux)
	t.Cleanup(listener.Close)
	t.Cleanup(s.server.Close)
	s.url = listener.URL
	return s
}

// get asks for a path without a handshake.
func (s *service) get(path string) (status int, body string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func (s *service) dial(path string) *peer {
	s.t.Helper()
	conn, _, err := websocket.Dial(s.t.Context(), s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(4 * frameBytes)
	return &peer{t: s.t, conn: conn, server: s.server, broker: s.broker, consumer: s.broker.consumer, registry: s.registry}
}

func (p *peer) send(frame string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		p.t.Fatal(err)
	}
}

// next is the next frame, as it is.
func (p *peer) next() string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	_, frame, err := p.conn.Read(ctx)
	if err != nil {
		p.t.Fatalf("no frame came: %v", err)
	}
	return string(frame)
}

func (p *peer) expect(want string) {
	p.t.Helper()
	if got := p.next(); got != want {
		p.t.Errorf("the frame is\n%s, want\n%s", got, want)
	}
}

// ready skips the first frame.
func (p *peer) ready() *peer {
	p.t.Helper()
	if frame := p.next(); !strings.HasPrefix(frame, `{"type":"ready",`) {
		p.t.Fatalf("the first frame is %s", frame)
	}
	return p
}

// refused makes sure that the next frame is an error.
func (p *peer) refused(code hub.Code, detail, ref string) {
	p.t.Helper()
	var frame struct {
		Type, Detail string
		Code         hub.Code
		Ref          json.RawMessage
	}
	text := p.next()
	if err := json.Unmarshal([]byte(text), &frame); err != nil || frame.Type != "error" || frame.Code != code ||
		string(frame.Ref) != ref || !strings.Contains(frame.Detail, detail) || len(frame.Detail) > 500 {
		p.t.Errorf("the frame is %s, want the error %s %q under %s", text, code, detail, ref)
	}
}

// closed makes sure that the socket is closed like this.
func (p *peer) closed(want websocket.StatusCode) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if _, frame, err := p.conn.Read(ctx); websocket.CloseStatus(err) != want {
		p.t.Errorf("the socket ends with %q, %v, want %d", frame, err, want)
	}
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s does not come", what)
		panic("unreachable")
	}
}

func TestReadyTellsHowTheConsumerWasAttached(t *testing.T) {
	t.Parallel()
	stored := func(c *fakeConsumer) {
		c.info = hub.ConsumerInfo{Config: hub.SinkConfig{From: "oldest", AckWait: 90 * time.Second}}
	}
	p := connect(t, "&stream=payments&prefetch=0", stored)
	frame := p.next()
	_, rest, _ := strings.Cut(frame, `","role"`)
	want := `:"sink","sink":"billing","streams":["orders","payments"],"from":"oldest","ignored":[],"ack_wait":"1m30s","prefetch":0}`
	if rest != want {
		t.Errorf("ready is %s, want …%s", frame, want)
	}
	p = connect(t, "&from=after:1-1", stored, func(c *fakeConsumer) { c.info.Ignored = []string{"from"} })
	if frame := p.next(); !strings.Contains(frame, `"from":"after:1-1","ignored":["from"],`) || !strings.HasSuffix(frame, `"prefetch":100}`) {
		t.Errorf("ready is %s", frame)
	}
	if label := p.broker.spec.Label; label == "" || !strings.Contains(frame, `"session":"`) {
		t.Errorf("the consumer is called %q", label)
	}
}

func TestDeliveryIsToldInItsOrder(t *testing.T) {
	t.Parallel()
	p := connect(t, "").ready()
	event := func(id string) hub.Event {
		return hub.Event{ID: id, Stream: "orders", Time: time.UnixMilli(1), Data: []byte("1"), Attempt: 1}
	}
	text := func(id string) string {
		return `{"id":"` + id + `","stream":"orders","time":"1970-01-01T00:00:00.001Z","content_type":"application/json","data":1,"attempt":1}`
	}
	p.consumer.set(func() {
		p.consumer.next = []hub.Delivery{
			{
				Notices: []*hub.Error{hub.Errorf(hub.CodeStreamNotFound, "payments is gone")},
				Gaps:    []hub.Gap{{Stream: "orders", Reason: hub.GapReset}},
				Events:  []hub.Event{event("1-0"), event("2-0")},
			},
			{Events: []hub.Event{event("3-0")}},
		}
	})
	p.expect(`{"type":"error","code":"stream_not_found","detail":"payments is gone"}`)
	p.expect(`{"type":"gap","stream":"orders","reason":"reset"}`)
	p.expect(`{"type":"events","events":[` + text("1-0") + `,` + text("2-0") + `]}`)
	p.expect(`{"type":"events","events":[` + text("3-0") + `]}`) // a frame of its own, since it was taken so
	p.consumer.set(func() { p.consumer.next = []hub.Delivery{{Gaps: []hub.Gap{{Stream: "orders", Reason: hub.GapReset}}}} })
	p.expect(`{"type":"gap","stream":"orders","reason":"reset"}`)
}

func TestDeletedSinkClosesItsSockets(t *testing.T) {
	t.Parallel()
	for _, code := range []hub.Code{hub.CodeSinkNotFound, hub.CodeStreamNotFound} {
		p := connect(t, "").ready()
		p.consumer.set(func() { p.consumer.ended = hub.Errorf(code, "it was deleted") })
		p.refused(code, "it was deleted", "")
		p.closed(4404)
		if drain := receive(t, p.consumer.closed, "the consumer's end"); drain {
			t.Error("the consumer ended as if the hub drained")
		}
	}
}

func TestDrainStopsDeliveryAndTakesCommands(t *testing.T) {
	t.Parallel()
	p := connect(t, "", func(c *fakeConsumer) { c.held = 1 }).ready()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	drained := make(chan struct{})
	go func() {
		p.server.Drain(ctx)
		close(drained)
	}()
	if frame := p.next(); !strings.HasPrefix(frame, `{"type":"drain",`) {
		t.Errorf("the frame is %s", frame)
	}
	p.send(`{"type":"extend","ids":["1-0"],"ref":1}`)
	p.expect(`{"type":"ok","ref":1,"extended":[],"not_pending":[],"stale":[]}`)
	p.consumer.set(func() { p.consumer.held = 0 })
	p.closed(websocket.StatusServiceRestart)
	if drain := receive(t, p.consumer.closed, "the consumer's end"); !drain {
		t.Error("the consumer ended as if the client had gone")
	}
	receive(t, drained, "the end of the drain")
	if calls := p.consumer.heard(); len(calls) != 2 || calls[0] != "stop" {
		t.Errorf("the consumer was told %q", calls)
	}
}

func TestClientsCannotMakeMetrics(t *testing.T) {
	t.Parallel()
	p := connect(t, "").ready()
	kinds := []string{"ack", "nack", "extend", "credit", "pause", "resume", "add_stream", "remove_stream", "subscribe", "unsubscribe", "publish", "authenticate"}
	for _, kind := range append(slices.Clone(kinds), "fly", "swim") {
		p.send(fmt.Sprintf(`{"type":%q,"colour":"red"}`, kind))
		p.refused(hub.CodeInvalidRequest, kind, "")
	}
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "hub_socket_commands_total" {
				got[metric.GetLabel()[0].GetValue()] = metric.GetCounter().GetValue()
			}
		}
	}
	for _, kind := range kinds {
		if got[kind] != 1 {
			t.Errorf("%s is counted %v times", kind, got[kind])
		}
	}
	if got["other"] != 2 || len(got) != len(kinds)+1 {
		t.Errorf("the counters are %v", got)
	}
}
