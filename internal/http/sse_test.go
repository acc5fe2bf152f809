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
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

const (
	readerPath    = "/v1/readers/sse?stream=orders"
	broadcastPath = "/v1/broadcast/sse?channel=room"
)

// gone ends a feed, and so its event stream.
var gone = hub.Errorf(hub.CodeUnavailable, "the hub is \"closing\"")

const goneText = "event: hub.error\ndata: {\"code\":\"unavailable\",\"detail\":\"the hub is \\\"closing\\\"\"}\n\n"

// streams makes sure that the answer is an event stream with this text.
func (a answer) streams(want string) {
	a.t.Helper()
	if got := a.Body.String(); a.Code != 200 || got != want {
		a.t.Errorf("status %d with\n%s, want\n%s", a.Code, got, want)
	}
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"} {
		if got := a.Header().Get(name); got != want {
			a.t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestReaderIsShownAsAnEventStream(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	gapped := reading(4, 5, 6)
	gapped.Gaps = []hub.Gap{
		{Stream: "orders", Reason: hub.GapTrimmed, From: hub.ID{MS: 1}, To: hub.ID{MS: 4}, Events: 3},
		{Stream: "orders", Reason: hub.GapReset},
	}
	r := newFakeReader(gapped, reading(6, 7))
	r.ended = gone
	spec := e.broker.give(r)
	e.call("GET", readerPath+"&from=oldest&topic=a&type=b", "").streams(": \n\n" + // the client knows where the oldest is
		"event: hub.gap\ndata: {\"stream\":\"orders\",\"from\":\"1-0\",\"to\":\"4-0\",\"events\":3,\"reason\":\"trimmed\"}\n\n" +
		"event: hub.gap\ndata: {\"stream\":\"orders\",\"reason\":\"reset\"}\n\n" +
		"id: 5-0\ndata: {\"id\":\"5-0\"}\n\n" + "id: 6-0\ndata: {\"id\":\"6-0\"}\n\n" + "id: 7-0\ndata: {\"id\":\"7-0\"}\n\n" + goneText)
	if from, ok := spec.From.After(); !slices.Equal(spec.Streams, []string{"orders"}) || !ok || from != (hub.ID{}) ||
		!slices.Equal(spec.Topics, []string{"a"}) || !slices.Equal(spec.Types, []string{"b"}) {
		t.Errorf("the engine is asked for %+v", spec)
	}
	receive(t, r.closed, "the reader's end")
}

func TestReaderOfSeveralStreamsTellsItsPlaceInAll(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	at := func(orders, visits uint64) hub.Cursor {
		return hub.Cursor{{Stream: "orders", Born: "7", After: hub.ID{MS: orders}}, {Stream: "visits", After: hub.ID{MS: visits}}}
	}
	before := at(1, 1)
	r := newFakeReader(hub.Reading{
		Before: before, After: at(9, 9), // more was filtered out
		Events: []hub.ReadEvent{readEvent("visits", 2), readEvent("orders", 2), readEvent("visits", 3)},
	})
	r.ended = gone
	e.broker.give(r)
	e.call("GET", readerPath+"&stream=visits", "").streams(": \n\n" + "id: " + at(1, 1).String() + "\n\n" +
		"id: " + at(1, 2).String() + "\ndata: {\"id\":\"2-0\"}\n\n" +
		"id: " + at(2, 2).String() + "\ndata: {\"id\":\"2-0\"}\n\n" +
		"id: " + at(2, 3).String() + "\ndata: {\"id\":\"3-0\"}\n\n" + goneText)
	if !slices.Equal(before, at(1, 1)) {
		t.Error("the reading was changed")
	}
}

func TestUnknownFailureOfAFeedIsLoggedAndNotTold(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := newFakeReader()
	r.ended = errors.New("hunter2")
	e.broker.give(r)
	a := e.call("GET", readerPath, "", "X-Request-Id: my-request")
	if text := a.Body.String(); !strings.Contains(text, `{"code":"internal",`) || strings.Contains(text, "hunter2") {
		t.Errorf("the client is told %s", text)
	}
	if log := e.log.String(); !strings.Contains(log, "hunter2") || !strings.Contains(log, "my-request") || strings.Count(log, "\n") != 1 {
		t.Errorf("the log has %q", log)
	}
}

func TestLastEventIDIsWhereAReaderGoesOn(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := newFakeReader()
	r.ended = gone
	spec := e.broker.give(r)
	for last, want := range map[string]string{"": "", "5-1": "", cursor(6).String(): "7"} {
		e.call("GET", readerPath+"&from=after:3-0", "", "Last-Event-ID: "+last).streams(": \n\n" + goneText) // it ends before it has a place
		receive(t, r.closed, "the reader's end")
		place, err := spec.From.In("orders")
		if err != nil {
			t.Fatal(err)
		}
		after, _ := place.After()
		born, resumes := place.Resumes()
		wantAfter := map[string]hub.ID{"": {MS: 3}, "5-1": {MS: 5, Seq: 1}}[last]
		if want != "" {
			wantAfter = hub.ID{MS: 6}
		}
		if after != wantAfter || born != want || !resumes {
			t.Errorf("with %q the reader starts after %s of %q", last, after, born)
		}
	}
	for _, last := range []string{"5", "x-y", "latest", " ", hub.Cursor{{Stream: "visits"}}.String()} {
		if last == " " {
			continue // net/http trims it, as if it were not there
		}
		p := e.call("GET", readerPath, "", "Last-Event-ID: "+last).problem(hub.CodeInvalidRequest)
		if len(p.Errors) != 1 || p.Errors[0].Pointer != "header Last-Event-ID" {
			t.Errorf("%q: the faults are %v", last, p.Errors)
		}
	}
}

func TestFaultyEventStreamIsAProblem(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.read = func(context.Context, hub.ReaderSpec) (hub.Reader, error) {
		return nil, hub.Errorf(hub.CodeStreamNotFound, "there is no orders")
	}
	e.broker.subscribe = func(context.Context, hub.BroadcastSpec) (hub.Subscription, error) {
		return nil, hub.Errorf(hub.CodeUnavailable, "Redis is away")
	}
	for path, want := range map[string]hub.Code{
		readerPath:                                   hub.CodeStreamNotFound,
		broadcastPath:                                hub.CodeUnavailable,
		"/v1/readers/sse":                            hub.CodeInvalidRequest,
		"/v1/readers/sse?stream=-":                   hub.CodeInvalidName,
		readerPath + "&from=back":                    hub.CodeInvalidRequest,
		readerPath + "&limit=1":                      hub.CodeInvalidRequest,
		"/v1/broadcast/sse":                          hub.CodeInvalidRequest,
		"/v1/broadcast/sse?channel=-":                hub.CodeInvalidName,
		broadcastPath + "&from=oldest":               hub.CodeInvalidRequest,
		broadcastPath + "&slow=sometimes":            hub.CodeInvalidRequest,
		broadcastPath + "&slow=":                     hub.CodeInvalidRequest,
		broadcastPath + "&slow=drop&slow=drop":       hub.CodeInvalidRequest,
		broadcastPath + "&topic=re:(":                hub.CodeInvalidRequest,
		broadcastPath + "&type=":                     hub.CodeInvalidRequest,
		"/v1/readers/sse?" + many("stream", 101):     hub.CodeInvalidRequest,
		"/v1/broadcast/sse?" + many("channel", 1001): hub.CodeInvalidRequest,
	} {
		e.call("GET", path, "").problem(want)
	}
	e.call("POST", readerPath, "").problem(hub.CodeMethodNotAllowed)
}

func many(name string, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s=s%d", name, i)
	}
	return strings.Join(list, "&")
}

func TestHeadOfAnEventStreamIsItsHeader(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := newFakeReader(reading(0, 1))
	e.broker.give(r)
	e.call("HEAD", readerPath, "").streams("")
	receive(t, r.closed, "the reader's end")
	if asked := r.asked(); len(asked) > 0 {
		t.Errorf("the reader is asked for %v events", asked)
	}
}

// writes counts how often an answer is written to and flushed.
type writes struct {
	*httptest.ResponseRecorder
	writes, flushes int
}

func (w *writes) Write(b []byte) (int, error) {
	w.writes++
	return w.ResponseRecorder.Write(b)
}

func (w *writes) FlushError() error {
	w.flushes++
	return nil
}

func TestWhatIsThereGoesOutAtOnce(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := newFakeReader(reading(0, 1), reading(1, 2), reading(2, 3))
	r.ended = gone
	e.broker.give(r)
	w := &writes{ResponseRecorder: httptest.NewRecorder()}
	e.server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", readerPath, nil))
	if w.writes != 2 || w.flushes != 2 { // the first is the header's
		t.Errorf("%d writes, %d flushes of\n%s", w.writes, w.flushes, w.Body)
	}
}

// get reads an answer to its end; it begins with its status.
func (r *running) get(ctx context.Context, path string) string {
	return r.ask(ctx, nethttp.MethodGet, path, "")
}

func TestDrainSendsEventStreamsElsewhere(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := newFakeReader(reading(0, 1))
	sub := newFakeSubscription()
	entered := make(chan struct{}, 2)
	e.broker.read = func(context.Context, hub.ReaderSpec) (hub.Reader, error) {
		entered <- struct{}{}
		return r, nil
	}
	e.broker.subscribe = func(context.Context, hub.BroadcastSpec) (hub.Subscription, error) {
		entered <- struct{}{}
		return sub, nil
	}
	run := e.run(patience, func(context.Context) {})
	answers := make(chan string, 2)
	for _, path := range []string{readerPath, broadcastPath} {
		go func() { answers <- run.get(t.Context(), path) }()
		receive(t, entered, "the client")
	}
	run.stop()
	drain := regexp.MustCompile(`^200 : \n\n(id: ` + cursor(0).String() + `\n\nid: 1-0\ndata: {"id":"1-0"}\n\n)?retry: (\d+)\nevent: hub\.drain\ndata: {"reconnect_after":"([^"]+)"}\n\n$`)
	for range 2 {
		match := drain.FindStringSubmatch(receive(t, answers, "an answer"))
		if match == nil {
			t.Fatal("the answer does not end in a drain")
		}
		after, err := time.ParseDuration(match[3])
		if err != nil || after < 0 || after > 3*time.Second || fmt.Sprint(after.Milliseconds()) != match[2] {
			t.Errorf("it is told to come back after %s, %s ms (%v)", match[3], match[2], err)
		}
	}
	receive(t, r.closed, "the reader's end")
	receive(t, sub.closed, "the subscription's end")
	if err := receive(t, run.ended, "the end"); err != nil {
		t.Error(err)
	}
}

// overPipes runs a test against a server whose network keeps to a bubble's time.
func overPipes(t *testing.T, test func(t *testing.T, e *edge, r *fakeReader, conn net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		r := newFakeReader()
		e.broker.give(r)
		pipes := newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.server.Run(ctx, pipes, time.Second, func(context.Context) {}) }()
		conn := pipes.dial()
		test(t, e, r, conn)
		_ = conn.Close()
		<-r.closed
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// ask sends a request, and returns its answer.
func ask(t *testing.T, conn net.Conn, path, version string) *nethttp.Response {
	t.Helper()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/%s\r\nHost: hub\r\n\r\n", path, version); err != nil {
		t.Fatal(err)
	}
	a, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// gets makes sure that this text comes next, so long after the last.
func gets(t *testing.T, from io.Reader, want string, after time.Duration) {
	t.Helper()
	began := time.Now()
	text := make([]byte, len(want))
	if _, err := io.ReadFull(from, text); err != nil || string(text) != want {
		t.Fatalf("there is %q (%v), want %q", text, err, want)
	}
	if took := time.Since(began); took != after {
		t.Errorf("%q came after %s, want %s", want, took, after)
	}
}

func TestSilentEventStreamIsKeptAlive(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.1", "1.0"} {
		overPipes(t, func(t *testing.T, _ *edge, r *fakeReader, conn net.Conn) {
			body := ask(t, conn, readerPath, version).Body
			gets(t, body, ": \n\n"+place(0), 0)
			for range 20 { // longer than any other answer may take
				gets(t, body, ": \n\n", 15*time.Second)
			}
			const event = "id: 1-0\ndata: {\"id\":\"1-0\"}\n\n"
			time.AfterFunc(10*time.Second, func() { r.set(func() { r.next = []hub.Reading{reading(0, 1)} }) })
			gets(t, body, event, 10*time.Second)
			gets(t, body, ": \n\n", 15*time.Second)
		})
	}
}

func TestClientThatDoesNotReadIsNotTakenFor(t *testing.T) {
	t.Parallel()
	overPipes(t, func(t *testing.T, _ *edge, r *fakeReader, conn net.Conn) {
		body := ask(t, conn, readerPath, "1.1").Body
		gets(t, body, ": \n\n"+place(0), 0)
		large := reading(0, 1)
		large.Events[0].JSON = []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
		synctest.Wait()
		before := len(r.asked())
		r.set(func() { r.next = slices.Repeat([]hub.Reading{large}, 1000) })
		began := time.Now()
		closed := <-r.closed
		r.closed <- closed // overPipes waits for it, too
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it ends after %s", took)
		}
		if taken := len(r.asked()) - before; taken > 1 {
			t.Errorf("%d times 1 MiB was taken for it", taken)
		}
	})
}

// place tells a client where to go on from, and nothing else.
func place(ms uint64) string { return "id: " + cursor(ms).String() + "\n\n" }

func TestPlaceIsToldWithoutEvents(t *testing.T) {
	t.Parallel()
	for from, first := range map[string]string{"latest": place(4), "after:4-0": place(4), "at:2025-11-20T00:00:00Z": place(4), "oldest": ""} {
		overPipes(t, func(t *testing.T, _ *edge, r *fakeReader, conn net.Conn) {
			moves := func(ms uint64) func() {
				return func() {
					r.set(func() { r.next = append(r.next, hub.Reading{Before: cursor(ms), After: cursor(ms)}) }) // what there was is filtered out
				}
			}
			r.place = cursor(4)
			body := ask(t, conn, readerPath+"&topic=x&from="+from, "1.1").Body
			gets(t, body, ": \n\n"+first, 0)
			gets(t, body, ": \n\n", 15*time.Second) // it is where it was
			time.AfterFunc(time.Second, moves(5))
			time.AfterFunc(2*time.Second, moves(6))
			gets(t, body, ": \n\n"+place(6), 15*time.Second)
			gets(t, body, ": \n\n", 15*time.Second)
			r.set(func() { r.next = []hub.Reading{reading(6, 7)} })
			gets(t, body, "id: 7-0\ndata: {\"id\":\"7-0\"}\n\n", 0)
			gets(t, body, ": \n\n", 15*time.Second) // the event's id is it
			further := reading(7, 8)
			further.After = cursor(9)
			r.set(func() { r.next = []hub.Reading{further} })
			gets(t, body, "id: 8-0\ndata: {\"id\":\"8-0\"}\n\n", 0)
			gets(t, body, ": \n\n"+place(9), 15*time.Second)
		})
	}
}

func TestPlaceIsBehindTheGapsThatWereTold(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	gapped := reading(4)
	gapped.Gaps = []hub.Gap{{Stream: "orders", Reason: hub.GapReset}}
	r := newFakeReader(gapped, reading(4, 5))
	r.ended = gone
	e.broker.give(r)
	e.call("GET", readerPath+"&from=after:9-0", "").streams(": \n\nevent: hub.gap\ndata: {\"stream\":\"orders\",\"reason\":\"reset\"}\n\n" + place(4) +
		"id: 5-0\ndata: {\"id\":\"5-0\"}\n\n" + goneText)
}

func TestDrainTellsThePlaceFirst(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := newFakeReader(reading(0), hub.Reading{Before: cursor(8), After: cursor(8)}) // it has moved without an event
	entered, taken := make(chan struct{}, 1), make(chan struct{}, 1)
	e.broker.read = func(context.Context, hub.ReaderSpec) (hub.Reader, error) {
		entered <- struct{}{}
		return &taking{r, taken}, nil
	}
	run := e.run(patience, func(context.Context) {})
	answers := make(chan string, 1)
	go func() { answers <- run.get(t.Context(), readerPath) }()
	receive(t, entered, "the client")
	receive(t, taken, "all that there is")
	run.stop()
	if answer, want := receive(t, answers, "the answer"), "200 : \n\n"+place(0)+place(8)+"retry: "; !strings.HasPrefix(answer, want) {
		t.Errorf("the answer is %q, want it to begin with %q", answer, want)
	}
	if err := receive(t, run.ended, "the end"); err != nil {
		t.Error(err)
	}
}

// taking says when a reader had nothing more.
type taking struct {
	*fakeReader
	nothing chan<- struct{}
}

func (r *taking) Take(limit int) (hub.Reading, error) {
	r.mu.Lock()
	nothing := len(r.next) == 0
	r.mu.Unlock()
	reading, err := r.fakeReader.Take(limit)
	if nothing {
		select {
		case r.nothing <- struct{}{}:
		default:
		}
	}
	return reading, err
}

func TestReaderOfManyStreamsIsTakenForByTheLengthOfItsIDs(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	var all hub.Cursor
	for i := range 100 {
		all = append(all, hub.Place{Stream: fmt.Sprintf("s%d-%s", i, strings.Repeat("x", 100)), Born: "1763648000000", After: hub.ID{MS: 1763648000000}})
	}
	var readings []hub.Reading
	for range 3 {
		readings = append(readings, hub.Reading{Before: all, After: all, Events: []hub.ReadEvent{readEvent(all[7].Stream, 1763648000001)}})
	}
	r := newFakeReader(readings...)
	r.ended = gone
	e.broker.give(r)
	e.call("GET", readerPath+"&stream=visits", "")
	want := 64 << 10 / len(all.String())
	if asked := r.asked(); want < 2 || !slices.Equal(asked, []int{1, want, want, want}) {
		t.Errorf("the reader is asked for %v events, want one and then %d", asked, want)
	}
	one := newFakeReader(reading(0, 1), reading(1, 2))
	one.ended = gone
	e.broker.give(one)
	e.call("GET", readerPath, "")
	if asked := one.asked(); !slices.Equal(asked, []int{0, 0, 0}) {
		t.Errorf("the reader of one stream is asked for %v events", asked)
	}
}

func TestEventStreamsAreCounted(t *testing.T) {
	t.Parallel()
	overPipes(t, func(t *testing.T, e *edge, _ *fakeReader, conn net.Conn) {
		if got := e.feeds(); got["reader"] != 0 || got["broadcast"] != 0 || len(got) != 2 {
			t.Errorf("before: %v", got)
		}
		gets(t, ask(t, conn, readerPath, "1.1").Body, ": \n\n", 0)
		if got := e.feeds(); got["reader"] != 1 || got["broadcast"] != 0 {
			t.Errorf("meanwhile: %v", got)
		}
		_ = conn.Close()
		synctest.Wait()
		if got := e.feeds(); got["reader"] != 0 {
			t.Errorf("afterwards: %v", got)
		}
	})
}

// feeds reads the gauge of event streams.
func (e *edge) feeds() map[string]float64 {
	families, err := e.registry.Gather()
	if err != nil {
		e.t.Fatal(err)
	}
	open := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "hub_sse_connections" {
				open[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
			}
		}
	}
	return open
}

func TestReaderSocketIsRouted(t *testing.T) {
	t.Parallel()
	socket := func(w nethttp.ResponseWriter, _ *nethttp.Request, _ *auth.Principal) error {
		w.WriteHeader(nethttp.StatusTeapot)
		return nil
	}
	server := http.NewServer(http.Options{Broker: &fakeBroker{}, Reader: socket})
	w := httptest.NewRecorder()
	server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/readers/ws?stream=orders", nil))
	if w.Code != nethttp.StatusTeapot {
		t.Errorf("status %d with %s", w.Code, w.Body)
	}
}
