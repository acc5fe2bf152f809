package http_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/hub"
)

const eventsPath = "/v1/streams/orders/events"

// next is the place to go on from, as a page tells it.
func next(ms uint64) string { return `"next":"after:` + cursor(ms).String() + `"` }

func TestPageHasWhatThereIs(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	last := reading(2, 3)
	last.After = cursor(9) // the rest was filtered out
	r := newFakeReader(reading(0, 1, 2), last)
	spec := e.broker.give(r)
	e.call("GET", eventsPath, "").is(200, `{"events":[{"id":"1-0"},{"id":"2-0"},{"id":"3-0"}],`+next(9)+`}`)
	from, ok := spec.From.After()
	if !slices.Equal(spec.Streams, []string{"orders"}) || !ok || from != (hub.ID{}) || len(spec.Topics)+len(spec.Types) > 0 {
		t.Errorf("the engine is asked for %+v", spec)
	}
	if asked := r.asked(); !slices.Equal(asked, []int{100, 98, 97}) {
		t.Errorf("the reader is asked for %v events", asked)
	}
	receive(t, r.closed, "the reader's end")
}

func TestPageIsFullAtItsLimit(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	spec := e.broker.give(newFakeReader(reading(0, 1), reading(1, 2), reading(2, 3)))
	e.call("GET", eventsPath+"?limit=2&from=after:0-1&topic=eu.**&type=a&type=b", "").is(200, `{"events":[{"id":"1-0"},{"id":"2-0"}],`+next(2)+`}`)
	if !slices.Equal(spec.Topics, []string{"eu.**"}) || !slices.Equal(spec.Types, []string{"a", "b"}) {
		t.Errorf("the engine is asked for %+v", spec)
	}
}

func TestPageOfManyBytesEndsEarly(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	large := make([]hub.Reading, 40)
	for i := range large {
		large[i] = reading(uint64(i), uint64(i)+1)
		large[i].Events[0].JSON = []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	}
	e.broker.give(newFakeReader(large...))
	a := e.call("GET", eventsPath, "")
	if size := a.Body.Len(); a.Code != 200 || size < 16<<20 || size > 18<<20 || !strings.HasSuffix(a.Body.String(), `],`+next(16)+`}`) {
		t.Errorf("status %d with %d bytes that end in %s", a.Code, size, a.Body.String()[max(0, size-100):])
	}
}

func TestPageOfNothingTellsWhereToGoOn(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.give(newFakeReader())
	e.call("GET", eventsPath, "").is(200, `{"events":[],`+next(0)+`}`)
}

func TestPageBeginsWithItsGap(t *testing.T) {
	t.Parallel()
	trimmed := hub.Gap{Stream: "orders", Reason: hub.GapTrimmed, To: hub.ID{MS: 4, Seq: 1}, Events: 3}
	reset := hub.Gap{Stream: "orders", Reason: hub.GapReset}
	told := `"gap":{"stream":"orders","to":"4-1","events":3,"reason":"trimmed"}`
	gapped := reading(4, 5)
	gapped.Gaps = []hub.Gap{trimmed}
	alone := reading(0)
	alone.Gaps = []hub.Gap{reset}
	caught := alone
	caught.Caught = true
	for name, test := range map[string]struct {
		readings []hub.Reading
		want     string
	}{
		"with events":   {[]hub.Reading{gapped, reading(5, 6)}, `{"events":[{"id":"5-0"}],` + next(5) + `,` + told + `}`},
		"alone":         {[]hub.Reading{caught, reading(0, 1)}, `{"events":[],` + next(0) + `,"gap":{"stream":"orders","reason":"reset"}}`},
		"ahead":         {[]hub.Reading{alone, reading(0, 1), reading(1, 2)}, `{"events":[{"id":"1-0"}],` + next(1) + `,"gap":{"stream":"orders","reason":"reset"}}`},
		"behind a gap":  {[]hub.Reading{alone, gapped}, `{"events":[],` + next(0) + `,"gap":{"stream":"orders","reason":"reset"}}`}, // the next page has it
		"behind events": {[]hub.Reading{reading(0, 1), gapped}, `{"events":[{"id":"1-0"}],` + next(1) + `}`},                        // the next page has it
	} {
		for _, wait := range []string{"0s", "1m"} {
			t.Log(name, wait)
			e := newEdge(t)
			e.broker.give(newFakeReader(test.readings...))
			e.call("GET", eventsPath+"?wait="+wait, "").is(200, test.want)
		}
	}
}

func TestFaultyPageReachesNoBroker(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.read = func(context.Context, hub.ReaderSpec) (hub.Reader, error) {
		t.Error("the engine was asked")
		return nil, nil
	}
	for _, query := range []string{"limit=0", "limit=1001", "wait=61s", "wait=-1s", "from=back", "topic=", "stream=orders", "colour=red", "limit=1&limit=2"} {
		if p := e.call("GET", eventsPath+"?"+query, "").problem(hub.CodeInvalidRequest); len(p.Errors) != 1 || p.Errors[0].Pointer[0] != '?' {
			t.Errorf("%s: the faults are %v", query, p.Errors)
		}
	}
	e.call("GET", "/v1/streams/-/events", "").problem(hub.CodeInvalidName)
}

func TestFailedPageIsAProblem(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.broker.read = func(context.Context, hub.ReaderSpec) (hub.Reader, error) {
		return nil, hub.Errorf(hub.CodeStreamNotFound, "there is no orders")
	}
	e.call("GET", eventsPath, "").problem(hub.CodeStreamNotFound)
	r := newFakeReader(reading(0, 1))
	r.ended = hub.Errorf(hub.CodeUnavailable, "the hub is closing")
	e.broker.give(r)
	e.call("GET", eventsPath, "").problem(hub.CodeUnavailable)
	receive(t, r.closed, "the reader's end")
}

func TestPageThatCannotBeReadIsUnavailableInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for wait, within := range map[string]time.Duration{"0s": 3 * time.Second, "1s": 3 * time.Second, "20s": 20 * time.Second} {
			e := newEdge(t)
			r := newFakeReader()
			r.caught = false
			e.broker.give(r)
			began := time.Now()
			e.call("GET", eventsPath+"?wait="+wait, "").problem(hub.CodeUnavailable)
			if took := time.Since(began); took != within {
				t.Errorf("with wait=%s it took %s", wait, took)
			}
			// What has been looked through, though nothing matched, is progress.
			moved := newFakeReader(hub.Reading{Before: cursor(0), After: cursor(8)})
			moved.caught = false
			e.broker.give(moved)
			e.call("GET", eventsPath+"?wait="+wait, "").is(200, `{"events":[],`+next(8)+`}`)
		}
	})
}

func TestPageWaitsForTheFirstEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		r := newFakeReader()
		e.broker.give(r)
		began := time.Now()
		time.AfterFunc(7*time.Second, func() { r.set(func() {}) }) // a signal without an event
		time.AfterFunc(9*time.Second, func() { r.set(func() { r.next = []hub.Reading{reading(0, 1, 2), reading(2, 3)} }) })
		e.call("GET", eventsPath+"?wait=20s", "").is(200, `{"events":[{"id":"1-0"},{"id":"2-0"}],`+next(2)+`}`)
		if took := time.Since(began); took != 9*time.Second {
			t.Errorf("it took %s", took)
		}
		for _, wait := range []time.Duration{0, time.Second, time.Minute} {
			began = time.Now()
			e.broker.give(newFakeReader())
			e.call("GET", eventsPath+"?wait="+wait.String(), "").is(200, `{"events":[],`+next(0)+`}`)
			if took := time.Since(began); took != wait {
				t.Errorf("nothing took %s, want %s", took, wait)
			}
		}
	})
}

func TestPageMayWaitLongerThanOtherRequestsTake(t *testing.T) {
	t.Parallel()
	overPipes(t, func(t *testing.T, _ *edge, _ *fakeReader, conn net.Conn) {
		began := time.Now()
		a := ask(t, conn, eventsPath+"?wait=1m", "1.1")
		text, err := io.ReadAll(a.Body)
		if err != nil || string(text) != `{"events":[],`+next(0)+`}` || time.Since(began) != time.Minute {
			t.Errorf("after %s there is %s (%v)", time.Since(began), text, err)
		}
	})
}

func TestDrainEndsAWaitingPage(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := newFakeReader()
	entered := make(chan struct{}, 1)
	e.broker.read = func(context.Context, hub.ReaderSpec) (hub.Reader, error) {
		entered <- struct{}{}
		return r, nil
	}
	run := e.run(patience, func(context.Context) {})
	answers := make(chan string, 1)
	go func() { answers <- run.get(t.Context(), eventsPath+"?wait=60s") }()
	receive(t, entered, "the page")
	run.stop()
	if answer, want := receive(t, answers, "the answer"), fmt.Sprintf(`200 {"events":[],%s}`, next(0)); answer != want {
		t.Errorf("the answer is %s, want %s", answer, want)
	}
	if err := receive(t, run.ended, "the end"); err != nil {
		t.Error(err)
	}
	receive(t, r.closed, "the reader's end")
}

func TestPageOfAClientThatIsGoneEnds(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	r := newFakeReader()
	entered := make(chan struct{}, 1)
	e.broker.read = func(context.Context, hub.ReaderSpec) (hub.Reader, error) {
		entered <- struct{}{}
		return r, nil
	}
	run := e.run(patience, func(context.Context) {})
	ctx, leave := context.WithCancel(t.Context())
	answers := make(chan string, 1)
	go func() { answers <- run.get(ctx, eventsPath+"?wait=60s") }()
	receive(t, entered, "the page")
	leave()
	receive(t, answers, "the client's end")
	receive(t, r.closed, "the reader's end")
	run.stop()
	if err := receive(t, run.ended, "the end"); err != nil {
		t.Error(err)
	}
}
