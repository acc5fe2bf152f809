package ws

import (
	"bytes"
	"context"
	"encoding/json"
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

const broadcastPath = "/v1/broadcast/ws?channel=room"

// subscriber is a client of a broadcast socket.
type subscriber struct {
	*peer
	sub *fakeSubscription
}

// subscribe dials a broadcast socket; query begins after "channel=room".
func subscribe(t *testing.T, query string, sub *fakeSubscription) *subscriber {
	t.Helper()
	s := newService(t, &fakeBroker{subscription: sub}, Options{MaxChannels: 3})
	return &subscriber{s.dial(broadcastPath + query), sub}
}

func (p *subscriber) ready() *subscriber {
	p.t.Helper()
	p.peer.ready()
	return p
}

func TestSubscriberGetsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]hub.BroadcastSpec{
		"": {Channels: []string{"room"}, Topics: []string{}, Types: []string{}, Slow: hub.SlowDisconnect},
		"&channel=hall&channel=room&topic=eu.**&type=a&type=b&slow=drop": {
			Channels: []string{"room", "hall"}, Topics: []string{"eu.**"}, Types: []string{"a", "b"}, Slow: hub.SlowDrop,
		},
		"&slow=disconnect": {Channels: []string{"room"}, Topics: []string{}, Types: []string{}, Slow: hub.SlowDisconnect},
	} {
		p := subscribe(t, query, newFakeSubscription())
		_, rest, _ := strings.Cut(p.next(), `","role"`)
		if want := `:"broadcast","channels":["` + strings.Join(want.Channels, `","`) + `"]}`; rest != want {
			t.Errorf("ready is …%s, want …%s", rest, want)
		}
		if got := p.broker.listen; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the engine is asked for %v, want %v", got, want)
		}
	}
}

func TestGapStandsInItsPlaceAmongTheEvents(t *testing.T) {
	t.Parallel()
	p := subscribe(t, "", newFakeSubscription(
		message("room", `{"i":1}`), message("hall", `{"i":2}`), missing("room", hub.GapSlow, 12), message("room", `{"i":3}`),
		missing("room", hub.GapLost, 1), missing("hall", hub.GapReconnect, 0), message("hall", `{"i":4}`), message("room", `{"i":5}`),
	)).ready()
	p.expect(`{"type":"events","events":[{"i":1},{"i":2}]}`)
	p.expect(`{"type":"gap","channel":"room","reason":"slow_consumer","dropped":12}`)
	p.expect(`{"type":"events","events":[{"i":3}]}`)
	p.expect(`{"type":"gap","channel":"room","reason":"lost","dropped":1}`)
	p.expect(`{"type":"gap","channel":"hall","reason":"redis_reconnect"}`)
	p.expect(`{"type":"events","events":[{"i":4},{"i":5}]}`)
	p.sub.set(func() { p.sub.next = []*hub.Message{missing("room", hub.GapReconnect, 0)} })
	p.expect(`{"type":"gap","channel":"room","reason":"redis_reconnect"}`)
}

func TestBroadcastIsTakenALittleAtATime(t *testing.T) {
	t.Parallel()
	const events, size = 500, 1000
	var all []*hub.Message
	for i := range events {
		all = append(all, message("room", fmt.Sprintf(`{"i":%d,"x":%q}`, i, strings.Repeat("x", size))))
	}
	large := message("room", fmt.Sprintf(`{"i":%d,"x":%q}`, events, strings.Repeat("x", 2*frameBytes)))
	sub := newFakeSubscription(append(all, large)...)
	p := subscribe(t, "", sub).ready()
	for next := 0; next <= events; {
		text := p.next()
		var frame struct{ Events []struct{ I int } }
		if err := json.Unmarshal([]byte(text), &frame); err != nil {
			t.Fatal(err)
		}
		if len(text) > takeBytes+2*size && len(frame.Events) > 1 {
			t.Errorf("%d events came in a frame of %d bytes", len(frame.Events), len(text))
		}
		for _, event := range frame.Events {
			if event.I != next {
				t.Fatalf("event %d came where %d was due", event.I, next)
			}
			next++
		}
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if slices.ContainsFunc(sub.asked, func(most int) bool { return most != takeBytes }) {
		t.Errorf("the subscription was asked for %v bytes", sub.asked)
	}
}

func TestWaitingSubscriberHoldsNoMessages(t *testing.T) {
	t.Parallel()
	sub := newFakeSubscription(message("room", "1"), missing("room", hub.GapLost, 1), message("room", "2"))
	source := broadcastSource{sub: sub}
	out := &outbox{}
	if more, err := source.frames(out); more || err != nil {
		t.Errorf("frames: %t, %v", more, err)
	}
	if list := out.messages; len(list) != 3 || slices.ContainsFunc(list, func(m *hub.Message) bool { return m != nil }) {
		t.Errorf("it holds on to %v", list)
	}
}

func TestSubscribersShareTheirFrames(t *testing.T) {
	t.Parallel()
	out := &outbox{}
	frames := func(messages ...*hub.Message) []byte {
		t.Helper()
		source := broadcastSource{sub: newFakeSubscription(messages...)}
		if _, err := source.frames(out); err != nil {
			t.Fatal(err)
		}
		frames := out.frames()
		out.clear(len(frames))
		return frames
	}
	one, two, gap := message("room", "1"), message("room", "2"), missing("room", hub.GapLost, 1)
	first := frames(one, gap, two)
	if second := frames(one, gap, two); &first[0] != &second[0] {
		t.Error("the same messages are encoded twice")
	}
	for _, others := range [][]*hub.Message{{one, gap}, {one, gap, two, two}, {two, gap, one}, {message("room", "1"), gap, two}} {
		want := outbox{}
		want.addMessages(others)
		if got := frames(others...); !bytes.Equal(got, want.buf) {
			t.Errorf("got %q, want %q", got, want.buf)
		}
	}
	out.text([]byte("{}")) // an answer goes before them
	if got := frames(one); !bytes.Equal(got, []byte("\x81\x02{}\x81\x1e"+eventsHead+"1]}")) {
		t.Errorf("behind an answer they are %q", got)
	}
}

func TestSlowSubscriberIsToldAndClosed(t *testing.T) {
	t.Parallel()
	p := subscribe(t, "", newFakeSubscription(message("room", "1"))).ready()
	p.sub.set(func() { p.sub.ended = hub.Errorf(hub.CodeSlowConsumer, "1025 messages wait") })
	p.expect(`{"type":"events","events":[1]}`)
	p.refused(hub.CodeSlowConsumer, "1025 messages wait", "")
	p.closed(4408)
	receive(t, p.sub.closed, "the subscription's end")
}

func TestDrainSendsSubscribersElsewhere(t *testing.T) {
	t.Parallel()
	sub := newFakeSubscription()
	sub.adding = make(chan struct{})
	p := subscribe(t, "", sub).ready()
	p.send(`{"type":"subscribe","channels":["hall"],"ref":1}`)
	receive(t, sub.adding, "the command")
	drained := make(chan struct{})
	go func() {
		p.server.Drain(t.Context())
		close(drained)
	}()
	if frame := p.next(); !strings.HasPrefix(frame, `{"type":"drain",`) {
		t.Errorf("the frame is %s", frame)
	}
	sub.set(func() { sub.next = []*hub.Message{message("room", "1")} }) // comes too late
	sub.adding <- struct{}{}
	p.expect(`{"type":"ok","ref":1,"channels":["hall"]}`)
	p.closed(websocket.StatusServiceRestart)
	receive(t, sub.closed, "the subscription's end")
	receive(t, drained, "the end of the drain")
}

func TestSubscriberThatDoesNotReadCostsNobodyElse(t *testing.T) {
	t.Parallel()
	slow := newFakeSubscription()
	slow.endless = message("room", `"`+strings.Repeat("x", takeBytes)+`"`)
	broker := &fakeBroker{subscription: slow}
	s := newService(t, broker, Options{WriteLimit: 200 * time.Millisecond, SendBuffer: 4096})
	s.dial(broadcastPath) // and never reads
	quick := newFakeSubscription()
	broker.subscription = quick
	p := s.dial(broadcastPath + "&slow=drop").ready()
	for i := range 100 {
		quick.set(func() { quick.next = []*hub.Message{message("room", fmt.Sprint(i))} })
		p.expect(fmt.Sprintf(`{"type":"events","events":[%d]}`, i))
	}
	receive(t, slow.closed, "the end of the slow one")
	if mib := len(slow.asked) * takeBytes >> 20; mib > 16 { // the client's own kernel takes some
		t.Errorf("%d MiB were taken for it", mib)
	}
}

func TestFaultyBroadcastIsRefusedBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	handshake := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	}
	s := NewServer(&fakeBroker{}, Options{MaxChannels: 3})
	ask := func(query string, header http.Header, want hub.Code) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/broadcast/ws?"+query, nil)
		r.Header = header
		w := httptest.NewRecorder()
		err := s.ServeBroadcast(w, r, auth.Everybody())
		if code := hub.AsError(err).Code; err == nil || code != want || w.Body.Len() > 0 {
			t.Errorf("%q: status %d with %q, %v, want %s", query, w.Code, w.Body, err, want)
		}
	}
	for _, header := range []http.Header{{}, handshake} {
		for query, want := range map[string]hub.Code{
			"":                              hub.CodeInvalidRequest,
			"topic=a":                       hub.CodeInvalidRequest,
			"channel=-":                     hub.CodeInvalidName,
			"channel=a&slow=sometimes":      hub.CodeInvalidRequest,
			"channel=a&slow=":               hub.CodeInvalidRequest,
			"channel=a&slow=drop&slow=drop": hub.CodeInvalidRequest,
			"channel=a&topic=re:(":          hub.CodeInvalidRequest,
			"channel=a&type=":               hub.CodeInvalidRequest,
			"channel=a&from=oldest":         hub.CodeInvalidRequest,
			"channel=a&channel=b&channel=c&channel=d": hub.CodeInvalidRequest,
		} {
			ask(query, header, want)
		}
	}
	ask("channel=a", http.Header{}, hub.CodeUpgradeRequired)
	ask("channel=a&channel=b&channel=c&channel=a", handshake, hub.CodeUnavailable) // by the engine
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Drain(ctx)
	ask("channel=a", handshake, hub.CodeUnavailable)
	s.Close()
}

// BenchmarkBroadcastFrames has a thousand subscribers told the same hundred events.
func BenchmarkBroadcastFrames(b *testing.B) {
	var messages []*hub.Message
	for i := range 100 {
		messages = append(messages, message("room", fmt.Sprintf(`{"i":%d,"x":%q}`, i, strings.Repeat("x", 300))))
	}
	sub := newFakeSubscription()
	source := broadcastSource{sub: sub}
	out := &outbox{}
	b.ReportAllocs()
	for b.Loop() {
		for range 1000 {
			sub.next, sub.asked = messages, sub.asked[:0]
			if _, err := source.frames(out); err != nil {
				b.Fatal(err)
			}
			out.clear(len(out.frames()))
		}
	}
}
