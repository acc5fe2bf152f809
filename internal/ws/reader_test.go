package ws

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"eventhub/internal/auth"

	"github.com/coder/websocket"

	"eventhub/internal/hub"
)

// readerPeer is a client of a reader's socket.
type readerPeer struct {
	*peer
	reader *fakeReader
}

// connectReader dials a reader; query begins after "stream=orders".
func connectReader(t *testing.T, query string, r *fakeReader) *readerPeer {
	t.Helper()
	return &readerPeer{newService(t, &fakeBroker{reader: r}, Options{}).dial("/v1/readers/ws?stream=orders" + query), r}
}

func (p *readerPeer) ready() *readerPeer {
	p.t.Helper()
	p.peer.ready()
	return p
}

// place is a reader's in two streams.
func place(orders, visits uint64) hub.Cursor {
	return hub.Cursor{{Stream: "orders", Born: "7", After: hub.ID{MS: orders}}, {Stream: "visits", After: hub.ID{MS: visits}}}
}

// sized is an event whose JSON has so many bytes.
func sized(stream string, ms uint64, size int) hub.ReadEvent {
	id := hub.ID{MS: ms}
	head, tail := `{"id":"`+id.String()+`","x":"`, `"}`
	return hub.ReadEvent{Stream: stream, ID: id, JSON: []byte(head + strings.Repeat("x", max(size-len(head)-len(tail), 0)) + tail)}
}

func TestReadyTellsWhereTheReaderStarts(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                                     `"streams":["orders"],"from":"latest"}`,
		"&stream=visits&from=after:1-1":        `"streams":["orders","visits"],"from":"after:1-1"}`,
		"&from=at:2025-11-20T14:46:40%2B01:00": `"streams":["orders"],"from":"at:2025-11-20T14:46:40+01:00"}`,
	} {
		p := connectReader(t, query+"&topic=eu.**&type=a", newFakeReader())
		_, rest, _ := strings.Cut(p.next(), `","role"`)
		if rest != `:"reader",`+want {
			t.Errorf("ready is …%s, want …%s", rest, want)
		}
		if spec := p.broker.read; !slices.Equal(spec.Topics, []string{"eu.**"}) || !slices.Equal(spec.Types, []string{"a"}) {
			t.Errorf("the engine is asked for %+v", spec)
		}
	}
}

func TestReaderIsToldGapsThenEventsWithTheirPlace(t *testing.T) {
	t.Parallel()
	p := connectReader(t, "", newFakeReader(
		hub.Reading{
			Gaps:   []hub.Gap{{Stream: "orders", Reason: hub.GapTrimmed, To: hub.ID{MS: 2}, Events: 2}, {Stream: "visits", Reason: hub.GapReset}},
			Before: place(2, 0), After: place(9, 8), // more was filtered out
			Events: []hub.ReadEvent{sized("orders", 3, 0), sized("visits", 1, 0)},
		},
		hub.Reading{Gaps: []hub.Gap{{Stream: "orders", Reason: hub.GapReset}}, Before: place(0, 8), After: place(0, 8)},
	)).ready()
	p.expect(`{"type":"gap","stream":"orders","to":"2-0","events":2,"reason":"trimmed"}`)
	p.expect(`{"type":"gap","stream":"visits","reason":"reset"}`)
	p.expect(`{"type":"events","events":[{"id":"3-0","x":""},{"id":"1-0","x":""}],"cursor":"MQpvcmRlcnMgOS0wIDcKdmlzaXRzIDgtMCA"}`)
	p.expect(`{"type":"gap","stream":"orders","reason":"reset"}`)
}

func TestEachFrameTellsThePlaceBehindItsLastEvent(t *testing.T) {
	t.Parallel()
	before := place(0, 0)
	p := connectReader(t, "", newFakeReader(hub.Reading{
		Before: before, After: place(9, 9),
		Events: []hub.ReadEvent{
			sized("orders", 1, 500_000), sized("visits", 1, 500_000), sized("orders", 2, 100_000), sized("visits", 2, 2*frameBytes), sized("orders", 3, 0),
		},
	})).ready()
	for _, want := range []struct {
		ids    []string
		cursor hub.Cursor
	}{{[]string{"1-0", "1-0"}, place(1, 1)}, {[]string{"2-0"}, place(2, 1)}, {[]string{"2-0"}, place(2, 2)}, {[]string{"3-0"}, place(9, 9)}} {
		frame := p.next()
		var ids []string
		for _, part := range strings.Split(frame, `{"id":"`)[1:] {
			id, _, _ := strings.Cut(part, `"`)
			ids = append(ids, id)
		}
		if !slices.Equal(ids, want.ids) || !strings.HasSuffix(frame, `],"cursor":"`+want.cursor.String()+`"}`) {
			t.Errorf("a frame has %q and ends in %s", ids, frame[len(frame)-80:])
		}
		if len(frame) > frameBytes && len(ids) > 1 {
			t.Errorf("a frame has %d bytes", len(frame))
		}
	}
	if !slices.Equal(before, place(0, 0)) {
		t.Error("the reading was changed")
	}
}

func TestReaderCommandsAreDoneAndAnswered(t *testing.T) {
	t.Parallel()
	p := connectReader(t, "", newFakeReader()).ready()
	for _, step := range [][3]string{
		{`{"type":"pause","ref":1}`, `pause`, `{"type":"ok","ref":1}`},
		{`{"type":"resume","ref":1}`, `resume`, `{"type":"ok","ref":1}`},
		{
			`{"type":"add_stream","stream":"visits","ref":1}`, `add visits after 0-0 false, bounded true`,
			`{"type":"ok","ref":1,"stream":"visits","ignored":[]}`,
		},
		{
			`{"type":"add_stream","stream":"visits","from":"oldest","ref":1}`, `add visits after 0-0 true, bounded true`,
			`{"type":"ok","ref":1,"stream":"visits","ignored":["from"]}`,
		},
		{
			`{"type":"add_stream","stream":"visits","ref":1}`, `add visits after 0-0 false, bounded true`,
			`{"type":"ok","ref":1,"stream":"visits","ignored":[]}`,
		},
		{
			`{"type":"add_stream","stream":"refunds","from":"after:4-2","ref":1}`, `add refunds after 4-2 true, bounded true`,
			`{"type":"ok","ref":1,"stream":"refunds","ignored":[]}`,
		},
		{`{"type":"remove_stream","stream":"visits","ref":1}`, `remove visits`, `{"type":"ok","ref":1,"stream":"visits"}`},
		{`{"type":"remove_stream","stream":"visits","ref":1}`, `remove visits`, `{"type":"ok","ref":1,"stream":"visits"}`},
		{
			`{"type":"add_stream","stream":"visits","from":"after:` + place(1, 5).String() + `","ref":1}`, `add visits after 0-0 true, bounded true`,
			`{"type":"ok","ref":1,"stream":"visits","ignored":[]}`,
		},
	} {
		p.send(step[0])
		p.expect(step[2])
		if calls := p.reader.heard(); !slices.Equal(calls, []string{step[1]}) {
			t.Errorf("%s: the reader was told %q, want %q", step[0], calls, step[1])
		}
	}
}

func TestFaultyReaderCommandsReachNoReader(t *testing.T) {
	t.Parallel()
	p := connectReader(t, "&stream=visits&stream=refunds", newFakeReader()).ready()
	for frame, says := range map[string]string{
		`{"type":"ack","ref":7,"ids":["1-0"]}`:                                                       `"ack" is not a command of a reader`,
		`{"type":"nack","ref":7}`:                                                                    "is not a command of a reader",
		`{"type":"extend","ref":7}`:                                                                  "is not a command of a reader",
		`{"type":"credit","ref":7,"n":1}`:                                                            "is not a command of a reader",
		`{"type":"pause","ref":7,"stream":"orders"}`:                                                 `"stream" is not a field of pause`,
		`{"type":"resume","ref":7,"n":1}`:                                                            `"n" is not a field of resume`,
		`{"type":"add_stream","ref":7}`:                                                              "stream is missing",
		`{"type":"add_stream","ref":7,"stream":"orders","from":"back"}`:                              "from: ",
		`{"type":"add_stream","ref":7,"stream":"orders","from":1}`:                                   "from is not a string",
		`{"type":"add_stream","ref":7,"stream":"orders","from":""}`:                                  "from: ",
		`{"type":"add_stream","ref":7,"stream":"sales","from":"after:` + place(1, 1).String() + `"}`: `no place in the stream "sales"`,
		`{"type":"add_stream","ref":7,"stream":"sales"}`:                                             "at most 3",
		`{"type":"remove_stream","ref":7}`:                                                           "stream is missing",
	} {
		p.send(frame)
		p.refused(hub.CodeInvalidRequest, says, "7")
		if calls := p.reader.heard(); len(calls) > 0 {
			t.Errorf("%s: the reader was told %q", frame, calls)
		}
	}
	p.reader.set(func() { p.reader.refuse = hub.Errorf(hub.CodeStreamNotFound, "there is no orders") })
	p.send(`{"type":"add_stream","stream":"orders"}`)
	p.refused(hub.CodeStreamNotFound, "there is no orders", "")
}

func TestAnswersDoNotWaitForTheEndOfHistory(t *testing.T) {
	t.Parallel()
	r := newFakeReader()
	r.endless = &hub.Reading{Before: place(0, 0), After: place(1, 0), Events: []hub.ReadEvent{sized("orders", 1, 0)}}
	p := connectReader(t, "", r).ready()
	p.send(`{"type":"pause","ref":1}`)
	for p.next() != `{"type":"ok","ref":1}` {
	}
}

func TestEndOfAReaderClosesItsSocket(t *testing.T) {
	t.Parallel()
	p := connectReader(t, "", newFakeReader()).ready()
	p.reader.set(func() { p.reader.ended = hub.Errorf(hub.CodeUnavailable, "the hub is closing") })
	p.refused(hub.CodeUnavailable, "the hub is closing", "")
	p.closed(4503)
	receive(t, p.reader.closed, "the reader's end")
}

func TestDrainSendsReadersElsewhere(t *testing.T) {
	t.Parallel()
	p := connectReader(t, "", newFakeReader()).ready()
	drained := make(chan struct{})
	go func() {
		p.server.Drain(t.Context())
		close(drained)
	}()
	if frame := p.next(); !strings.HasPrefix(frame, `{"type":"drain",`) {
		t.Errorf("the frame is %s", frame)
	}
	p.closed(websocket.StatusServiceRestart)
	receive(t, p.reader.closed, "the reader's end")
	receive(t, drained, "the end of the drain")
}

func TestReaderThatDoesNotReadCostsNobodyElse(t *testing.T) {
	t.Parallel()
	slow := newFakeReader()
	slow.endless = &hub.Reading{Before: place(0, 0), After: place(1, 0), Events: []hub.ReadEvent{sized("orders", 1, frameBytes)}}
	broker := &fakeBroker{reader: slow}
	s := newService(t, broker, Options{WriteLimit: 200 * time.Millisecond})
	s.dial("/v1/readers/ws?stream=orders") // and never reads
	quick := newFakeReader()
	broker.reader = quick
	p := s.dial("/v1/readers/ws?stream=orders").ready()
	for i := range uint64(100) {
		quick.set(func() {
			quick.next = []hub.Reading{{Before: place(i, 0), After: place(i+1, 0), Events: []hub.ReadEvent{sized("orders", i+1, 0)}}}
		})
		if frame := p.next(); !strings.Contains(frame, fmt.Sprintf(`{"id":"%d-0"`, i+1)) {
			t.Fatalf("the frame is %s", frame)
		}
	}
	receive(t, slow.closed, "the end of the slow one")
	if slow.takes > 64 {
		t.Errorf("%d MiB were taken for it", slow.takes)
	}
}

func TestFaultyReaderIsRefusedBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	handshake := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	}
	broker := &fakeBroker{}
	s := NewServer(broker, Options{MaxStreams: 3})
	ask := func(query string, header http.Header) hub.Code {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/readers/ws?"+query, nil)
		r.Header = header
		w := httptest.NewRecorder()
		err := s.ServeReader(w, r, auth.Everybody())
		if err == nil || w.Body.Len() > 0 {
			t.Errorf("%q: status %d with %q, %v", query, w.Code, w.Body, err)
		}
		return hub.AsError(err).Code
	}
	for _, header := range []http.Header{{}, handshake} {
		for query, want := range map[string]hub.Code{
			"":                                    hub.CodeInvalidRequest,
			"stream=-":                            hub.CodeInvalidName,
			"stream=a&stream=b&stream=c&stream=d": hub.CodeInvalidRequest,
			"stream=a&prefetch=1":                 hub.CodeInvalidRequest,
			"stream=a&from=after:" + place(1, 1).String(): hub.CodeInvalidRequest,
			"stream=a": hub.CodeStreamNotFound, // by the engine
		} {
			if code := ask(query, header); code != want {
				t.Errorf("%q is refused with %s, want %s", query, code, want)
			}
		}
	}
	broker.reader = newFakeReader()
	if code := ask("stream=orders", http.Header{}); code != hub.CodeUpgradeRequired {
		t.Errorf("without a handshake it is refused with %s", code)
	}
	receive(t, broker.reader.closed, "the reader's end")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Drain(ctx)
	if code := ask("stream=orders", handshake); code != hub.CodeUnavailable {
		t.Errorf("a hub that drains refuses it with %s", code)
	}
	s.Close()
}

// BenchmarkReaderFrames has a thousand readers told the same hundred events.
func BenchmarkReaderFrames(b *testing.B) {
	reading := hub.Reading{Before: place(0, 0), After: place(100, 0)}
	bytes := 0
	for ms := range uint64(100) {
		reading.Events = append(reading.Events, sized("orders", ms+1, 300))
		bytes += 300
	}
	out := &outbox{}
	readers := make([]readerSource, 1000)
	for i := range readers {
		r := newFakeReader()
		r.endless = &reading
		readers[i] = readerSource{reader: r}
	}
	b.ReportAllocs()
	b.SetBytes(int64(bytes * len(readers)))
	for b.Loop() {
		for i := range readers {
			if _, err := readers[i].frames(out); err != nil {
				b.Fatal(err)
			}
			out.clear(len(out.frames()))
		}
	}
}
