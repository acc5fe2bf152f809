package http_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/hub"
)

// two events, and how they go over the wire.
var (
	pulled = []hub.Event{
		{ID: "1-0", Stream: "orders", Time: time.UnixMilli(1), Data: []byte(`{"b":1.50, "a":"<&>"}`), Attempt: 1},
		{ID: "2-0", Stream: "orders", Time: time.UnixMilli(2), Data: []byte{0}, Binary: true, Attempt: 2},
	}
	pulledJSON = `{"events":[` +
		`{"id":"1-0","stream":"orders","time":"1970-01-01T00:00:00.001Z","content_type":"application/json","data":{"b":1.50, "a":"<&>"},"attempt":1},` +
		`{"id":"2-0","stream":"orders","time":"1970-01-01T00:00:00.002Z","content_type":"application/json","data_base64":"AA==","attempt":2}]}`
)

func TestPullHandsEventsOver(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var asked string
	var spec hub.ConsumerSpec
	e.broker.pull = func(_ context.Context, s hub.ConsumerSpec, most int, wait time.Duration) ([]hub.Event, func(), error) {
		spec, asked = s, fmt.Sprint(most, " ", wait)
		return pulled, func() { t.Error("the events are given back") }, nil
	}
	const path = "/v1/sinks/billing/pull?stream=orders&stream=payments&from=oldest&consumer=w"
	for body, want := range map[string]string{
		``: "100 0s", `{}`: "100 0s", `{"max":1}`: "1 0s", `{"max":10000,"wait":"60s"}`: "10000 1m0s",
	} {
		e.call("POST", path, body).is(200, pulledJSON)
		if asked != want {
			t.Errorf("%q asks the broker for %s, want %s", body, asked, want)
		}
	}
	if spec.Sink != "billing" || !slices.Equal(spec.Streams, []string{"orders", "payments"}) || spec.Settings[hub.SettingFrom] != "oldest" || spec.Label != "w" {
		t.Errorf("the broker is asked for %+v", spec)
	}
	e.call("POST", "/v1/sinks/billing/pull", "").is(200, pulledJSON)
	if spec.Streams != nil || len(spec.Settings) > 0 {
		t.Errorf("a pull that says nothing asks for %+v", spec)
	}
	e.broker.pull = nil
	e.call("POST", path, "").is(200, `{"events":[]}`)
}

func TestFaultyPullReachesNoBroker(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.pull = func(context.Context, hub.ConsumerSpec, int, time.Duration) ([]hub.Event, func(), error) {
		t.Error("the broker was called")
		return nil, nil, nil
	}
	for _, body := range []string{
		`{"max":0}`, `{"max":10001}`, `{"max":"1"}`, `{"wait":"61s"}`, `{"wait":"-1s"}`, `{"wait":5}`, `{"most":1}`, `{"max":1,"max":2}`, `[]`, `{`,
	} {
		e.call("POST", "/v1/sinks/billing/pull", body).problem(hub.CodeInvalidRequest)
	}
	for _, query := range []string{"prefetch=1", "batch=1", "colour=red", "from=yesterday", "ack_wait=1ms", "consumer=a%0Ab", "ack=maybe"} {
		if p := e.call("POST", "/v1/sinks/billing/pull?"+query, `{}`).problem(hub.CodeInvalidRequest); len(p.Errors) != 1 || p.Errors[0].Pointer[0] != '?' {
			t.Errorf("%s: the faults are %v", query, p.Errors)
		}
	}
	var streams strings.Builder
	for i := range 101 {
		fmt.Fprintf(&streams, "&stream=s%d", i)
	}
	e.call("POST", "/v1/sinks/billing/pull?"+streams.String()[1:], "").problem(hub.CodeInvalidRequest)
	e.call("POST", "/v1/sinks/-/pull", "").problem(hub.CodeInvalidName)
	e.call("POST", "/v1/sinks/billing/pull", "{}", "Content-Type: text/plain").problem(hub.CodeUnsupportedMedia)
}

func TestFailedPullIsAProblem(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for err, want := range map[error]hub.Code{
		hub.Errorf(hub.CodeSinkNotFound, "no"): hub.CodeSinkNotFound,
		hub.Errorf(hub.CodeConflict, "no"):     hub.CodeConflict,
		context.Canceled:                       hub.CodeInternal, // nobody has ended the wait
	} {
		e.broker.pull = func(context.Context, hub.ConsumerSpec, int, time.Duration) ([]hub.Event, func(), error) {
			return nil, nil, err
		}
		e.call("POST", "/v1/sinks/billing/pull", "").problem(want)
	}
}

func TestDrainEndsAWaitingPull(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]error{"without an error": nil, "with the context's": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t)
			entered := make(chan struct{}, 1)
			e.broker.pull = func(ctx context.Context, _ hub.ConsumerSpec, _ int, _ time.Duration) ([]hub.Event, func(), error) {
				entered <- struct{}{}
				<-ctx.Done()
				return nil, nil, end
			}
			r := e.run(patience, func(context.Context) {})
			answers := make(chan string, 1)
			go func() { answers <- r.pull(t.Context()) }()
			receive(t, entered, "the pull")
			r.stop()
			if answer := receive(t, answers, "the answer"); answer != `200 {"events":[]}` {
				t.Errorf("the answer is %s", answer)
			}
			if err := receive(t, r.ended, "the end"); err != nil {
				t.Error(err)
			}
			e.call("POST", "/v1/sinks/billing/pull", `{"wait":"60s"}`).is(200, `{"events":[]}`) // comes late
		})
	}
}

// pull waits for events over the network; the answer begins with its status.
func (r *running) pull(ctx context.Context) string {
	return r.ask(ctx, nethttp.MethodPost, "/v1/sinks/billing/pull", `{"wait":"60s"}`)
}

// ask sends a request over the network, and reads the answer to its end; it begins
// with its status.
func (r *running) ask(ctx context.Context, method, path, body string) string {
	request, err := nethttp.NewRequestWithContext(ctx, method, r.base+path, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	client := &nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}}
	a, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	answer, err := io.ReadAll(a.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", a.StatusCode, answer)
}

func TestEventsForAClientThatIsGoneAreGivenBack(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	entered, back := make(chan struct{}, 1), make(chan struct{}, 1)
	e.broker.pull = func(ctx context.Context, _ hub.ConsumerSpec, _ int, _ time.Duration) ([]hub.Event, func(), error) {
		entered <- struct{}{}
		<-ctx.Done()
		return pulled, func() { back <- struct{}{} }, nil
	}
	r := e.run(patience, func(context.Context) {})
	ctx, leave := context.WithCancel(t.Context())
	answers := make(chan string, 1)
	go func() { answers <- r.pull(ctx) }()
	receive(t, entered, "the pull")
	leave()
	receive(t, back, "the events")
	receive(t, answers, "the client's end")
	r.stop()
	if err := receive(t, r.ended, "the end"); err != nil {
		t.Error(err)
	}
	if log := e.log.String(); log != "" {
		t.Errorf("the log has %q", log)
	}
}

func TestEventsThatCannotBeSentAreGivenBack(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	back := 0
	events := pulled
	e.broker.pull = func(context.Context, hub.ConsumerSpec, int, time.Duration) ([]hub.Event, func(), error) {
		return events, func() { back++ }, nil
	}
	for _, want := range []int{1, 0} {
		back = 0
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/sinks/billing/pull", nil)
		e.server.Handler().ServeHTTP(deaf{httptest.NewRecorder()}, r)
		if back != want {
			t.Errorf("%d events were given back %d times, want %d", len(events), back, want)
		}
		events = nil
	}
}

// deaf is a connection that breaks while an answer is sent.
type deaf struct{ nethttp.ResponseWriter }

func (deaf) FlushError() error { return errors.New("broken pipe") }

func TestPullMayWaitLongerThanOtherRequestsTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.broker.pull = func(ctx context.Context, _ hub.ConsumerSpec, _ int, wait time.Duration) ([]hub.Event, func(), error) {
			select {
			case <-ctx.Done():
				t.Error("the wait was cut short")
			case <-time.After(wait):
			}
			return pulled, func() { t.Error("the events are given back") }, nil
		}
		pipes := newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.server.Run(ctx, pipes, time.Second, func(context.Context) {}) }()

		conn := pipes.dial()
		for range 2 { // the second meets what the first has left of its deadlines
			began := time.Now()
			const body = `{"wait":"60s"}`
			if _, err := fmt.Fprintf(conn, "POST /v1/sinks/billing/pull HTTP/1.1\r\nHost: hub\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
				t.Fatal(err)
			}
			a, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(a.Body)
			if err != nil || a.StatusCode != nethttp.StatusOK || string(text) != pulledJSON {
				t.Errorf("the answer is %d %s (%v)", a.StatusCode, text, err)
			}
			if took := time.Since(began); took < time.Minute {
				t.Errorf("it came after %s", took)
			}
		}
		_ = conn.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pipes is a network in memory, whose deadlines keep to a bubble's time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }
