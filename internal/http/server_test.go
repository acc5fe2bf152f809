package http_test

import (
	"context"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// patience is how long anything may take on a loaded machine before a test
// gives it up. Nothing waits that long when all is well.
const patience = 20 * time.Second

func TestReadySaysWhetherTheHubWorks(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("GET", "/readyz", "").is(200, `{"status":"ok"}`)
	e.broker.ready = func() (time.Duration, error) {
		return 3200 * time.Millisecond, &hub.Error{Code: hub.CodeUnavailable, Detail: "the live path is silent", Err: io.ErrUnexpectedEOF}
	}
	a := e.call("GET", "/readyz", "")
	a.is(503, `{"status":"unavailable","reason":"the live path is silent","live_probe_age_seconds":3.2}`)
	if a.Header().Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	e.broker.ready = func() (time.Duration, error) { return -1, io.ErrUnexpectedEOF }
	if body := e.call("GET", "/readyz", "").Body.String(); strings.Contains(body, "EOF") || strings.Contains(body, "age") {
		t.Errorf("it tells an unknown error, or an age: %s", body)
	}
}

func TestReadyTellsTheAgeOfTheProbe(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for age, want := range map[time.Duration]string{
		-1:                                    `{"status":"ok"}`, // none has come back yet
		0:                                     `{"status":"ok","live_probe_age_seconds":0}`,
		400*time.Millisecond + 12_345:         `{"status":"ok","live_probe_age_seconds":0.4}`,
		2*time.Second + 1501*time.Microsecond: `{"status":"ok","live_probe_age_seconds":2.002}`,
	} {
		e.broker.ready = func() (time.Duration, error) { return age, nil }
		e.call("GET", "/readyz", "").is(200, want)
	}
}

func TestLivezAsksNobody(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.ready = func() (time.Duration, error) {
		t.Error("the broker was asked")
		return 0, io.EOF
	}
	e.call("GET", "/livez", "").is(200, `{"status":"ok"}`)
}

// running is a server on a port.
type running struct {
	*edge
	base  string
	stop  context.CancelFunc
	ended chan error
}

func (e *edge) run(limit time.Duration, drain func(context.Context)) *running {
	e.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(e.t.Context())
	r := &running{edge: e, base: "http://" + listener.Addr().String(), stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- e.server.Run(ctx, listener, limit, drain) }()
	return r
}

// post sends an event over the network; the channel gets the status, 0 when
// there was no answer.
func (r *running) post() <-chan int {
	status := make(chan int, 1)
	request, err := nethttp.NewRequestWithContext(r.t.Context(), nethttp.MethodPost, r.base+"/v1/streams/orders/events", strings.NewReader(`{"data":1}`))
	if err != nil {
		r.t.Fatal(err)
	}
	go func() {
		client := &nethttp.Client{Transport: &nethttp.Transport{DisableKeepAlives: true}}
		a, err := client.Do(request)
		if err != nil {
			status <- 0
			return
		}
		_, _ = io.Copy(io.Discard, a.Body)
		_ = a.Body.Close()
		status <- a.StatusCode
	}()
	return status
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

// blockPublish has publishes wait for release; entered tells of each.
func (e *edge) blockPublish() (entered chan struct{}, release chan struct{}) {
	entered, release = make(chan struct{}, 10), make(chan struct{})
	e.broker.publish = func(_ context.Context, p hub.Publication) (hub.Published, error) {
		entered <- struct{}{}
		<-release
		return hub.Published{IDs: make([]hub.ID, len(p.Events))}, nil
	}
	return entered, release
}

func TestDrainFinishesWhatIsUnderWayAndIsNotReady(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	entered, release := e.blockPublish()
	draining, drained := make(chan struct{}), make(chan struct{})
	r := e.run(patience, func(context.Context) {
		close(draining)
		<-drained
	})
	answer := r.post()
	receive(t, entered, "the request")
	e.call("GET", "/readyz", "").is(200, `{"status":"ok"}`)

	r.stop()
	receive(t, draining, "the drain")
	e.broker.ready = func() (time.Duration, error) { return time.Second, hub.Errorf(hub.CodeUnavailable, "no") }
	a := e.call("GET", "/readyz", "")
	a.is(503, `{"status":"unavailable","reason":"the hub is shutting down","live_probe_age_seconds":1}`)
	if a.Header().Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	e.call("GET", "/livez", "").is(200, `{"status":"ok"}`)

	close(release)
	if status := receive(t, answer, "the answer"); status != nethttp.StatusCreated {
		t.Errorf("the request under way got status %d", status)
	}
	select {
	case err := <-r.ended:
		t.Errorf("the server ended before the drain: %v", err)
	default:
	}
	close(drained)
	if err := receive(t, r.ended, "the end"); err != nil {
		t.Error(err)
	}
	if status := receive(t, r.post(), "an answer"); status != 0 {
		t.Errorf("a server that has ended answers %d", status)
	}
}

func TestShutdownCutsOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	entered, release := e.blockPublish()
	r := e.run(50*time.Millisecond, func(ctx context.Context) { <-ctx.Done() })
	answer := r.post()
	receive(t, entered, "the request")
	r.stop()
	if err := receive(t, r.ended, "the end"); err != nil {
		t.Errorf("the server ended with: %v", err)
	}
	if status := receive(t, answer, "the end of the request"); status != 0 {
		t.Errorf("the request got status %d", status)
	}
	close(release)
}

func TestServerThatCannotListenEnds(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	if err := e.server.Run(t.Context(), listener, time.Second, func(context.Context) {}); err == nil {
		t.Error("it ended without an error")
	}
}
