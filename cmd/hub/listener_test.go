package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// leeway is what a loaded machine may add to a time that is promised.
const leeway = 2 * time.Second

// heard is one thing that a subscriber of broadcast was told.
type heard struct {
	kind   string // "event", else the type of a frame, or the event of a message without "hub."
	event  event
	gap    missed
	answer *frame // of a socket's other frames
}

func (x heard) String() string {
	switch {
	case x.kind == "event":
		return fmt.Sprintf("%s of %s", x.event.Data, x.event.Channel)
	case x.kind == "gap":
		return fmt.Sprintf("gap%+v", x.gap)
	case x.answer != nil:
		return fmt.Sprintf("%s%+v", x.kind, *x.answer)
	}
	return x.kind
}

// missed is a gap of broadcast.
type missed struct {
	Channel, Reason string
	Dropped         int64
}

// listener is a subscriber of broadcast, over a WebSocket or as an event stream. A
// goroutine reads, so that all is there in the order in which it came.
type listener struct {
	t     *testing.T
	told  chan heard // closed when it has ended
	ended error      // why; set before told is closed
	gone  context.Context
	wake  func() // has the goroutine begin
	leave func() // ends the connection without a word, and waits for the goroutine; idempotent

	conn *websocket.Conn // nil of an event stream
	refs int
}

// The kinds of a listener.
const (
	overSocket = "ws"
	overSSE    = "sse"
)

// listen subscribes and returns when it is ready; query starts behind the question
// mark.
func (h *testHub) listen(kind, query string) *listener {
	h.t.Helper()
	l := h.stall(kind, query, client.Transport)
	l.wake()
	return l
}

// listenBoth is a listener of each kind.
func (h *testHub) listenBoth(query string) []*listener {
	h.t.Helper()
	return []*listener{h.listen(overSocket, query), h.listen(overSSE, query)}
}

// stall is listen for a client that reads nothing until it is woken.
func (h *testHub) stall(kind, query string, transport http.RoundTripper) *listener {
	h.t.Helper()
	l := &listener{t: h.t, told: make(chan heard, 4096)}
	var hangUp context.CancelFunc
	l.gone, hangUp = context.WithCancel(context.WithoutCancel(h.t.Context())) // the cleanup ends it
	read := l.subscribed(h.base+"/v1/broadcast/"+kind+"?"+query, kind, transport)
	awake, reading := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(reading)
		defer close(l.told)
		select {
		case <-awake:
			l.ended = read()
		case <-l.gone.Done():
		}
	}()
	l.wake = sync.OnceFunc(func() { close(awake) })
	l.leave = sync.OnceFunc(func() {
		hangUp()
		if l.conn != nil {
			_ = l.conn.CloseNow()
		}
		<-reading
	})
	h.t.Cleanup(l.leave)
	return l
}

// subscribed connects, and returns what reads until the connection ends.
func (l *listener) subscribed(url, kind string, transport http.RoundTripper) (read func() error) {
	l.t.Helper()
	via := &http.Client{Transport: transport}
	if kind == overSSE {
		request, err := http.NewRequestWithContext(l.gone, http.MethodGet, url, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		answer, err := via.Do(request)
		if err != nil || answer.StatusCode != http.StatusOK {
			l.t.Fatalf("opening %.200s: %+v, %v", url, answer, err)
		}
		return func() error { return l.readFeed(answer.Body) }
	}
	ctx, cancel := context.WithTimeout(l.gone, patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: via})
	if err != nil {
		l.t.Fatalf("connecting to %.200s: %v", url, err)
	}
	conn.SetReadLimit(64 << 20)
	l.conn = conn
	if _, text, err := conn.Read(ctx); err != nil || !bytes.Contains(text, []byte(`"ready"`)) {
		l.t.Fatalf("%.200s came first, %v", text, err)
	}
	return l.readFrames
}

func (l *listener) readFrames() error {
	for {
		_, text, err := l.conn.Read(l.gone)
		if err != nil {
			return err
		}
		x := heard{answer: &frame{}}
		if err := json.Unmarshal(text, x.answer); err != nil {
			return fmt.Errorf("a frame that is no JSON: %w: %.300s", err, text)
		}
		switch x.kind = x.answer.Type; x.kind {
		case "events":
			if len(x.answer.Events) == 0 {
				return fmt.Errorf("an empty frame of events: %s", text)
			}
			for _, e := range x.answer.Events {
				l.tell(heard{kind: "event", event: e})
			}
			continue
		case "gap":
			x.answer = nil
			_ = json.Unmarshal(text, &x.gap) // which has succeeded before
		}
		l.tell(x)
	}
}

func (l *listener) readFeed(body io.ReadCloser) error {
	defer body.Close()
	f, ended := &feed{messages: make(chan message)}, make(chan error, 1)
	go func() {
		defer close(f.messages)
		ended <- f.read(body)
	}()
	var wrong error
	for m := range f.messages {
		x := heard{kind: strings.TrimPrefix(m.kind(), "hub.")}
		switch x.kind {
		case "comment", "place":
			continue
		case "event":
			wrong = json.Unmarshal([]byte(m.data), &x.event)
		case "gap":
			wrong = json.Unmarshal([]byte(m.data), &x.gap)
		}
		if wrong != nil {
			x.kind = fmt.Sprintf("a message that is no JSON (%v): %.300s", wrong, m.data)
		}
		l.tell(x)
	}
	return <-ended
}

func (l *listener) tell(x heard) {
	select {
	case l.told <- x:
	case <-l.gone.Done():
	}
}

// next waits for what comes next, whatever it is.
func (l *listener) next() heard {
	l.t.Helper()
	select {
	case x, open := <-l.told:
		if !open {
			l.t.Fatalf("the subscriber was cut off: %v", l.ended)
		}
		return x
	case <-time.After(patience):
		l.t.Fatal("nothing more comes")
		return heard{}
	}
}

// event wants that an event comes next.
func (l *listener) event() event {
	l.t.Helper()
	x := l.next()
	if x.kind != "event" {
		l.t.Fatalf("%v came where an event was awaited", x)
	}
	return x.event
}

// hears wants that these events come next: their ids, as an answer has them.
func (l *listener) hears(ids ...string) {
	l.t.Helper()
	for i, id := range ids {
		if e := l.event(); e.ID != id {
			l.t.Fatalf("event %d of %d is %s (%.100s of %s), want %s", i, len(ids), e.ID, e.Data, e.Channel, id)
		}
	}
}

// gap wants that a gap comes next.
func (l *listener) gap() missed {
	l.t.Helper()
	x := l.next()
	if x.kind != "gap" {
		l.t.Fatalf("%v came where a gap was awaited", x)
	}
	return x.gap
}

// hush wants that nothing comes for so long.
func (l *listener) hush(d time.Duration) {
	l.t.Helper()
	select {
	case x, open := <-l.told:
		if !open {
			l.t.Fatalf("the subscriber was cut off: %v", l.ended)
		}
		l.t.Fatalf("%v came, though there was nothing to tell", x)
	case <-time.After(d):
	}
}

// over waits until the hub ends the connection, and returns what came last.
func (l *listener) over() (last heard) {
	l.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case x, open := <-l.told:
			if !open {
				return last
			}
			last = x
		case <-timeout:
			l.t.Fatal("the hub does not end the connection")
		}
	}
}

// send sends a command, an object without a ref.
func (l *listener) send(command string) {
	l.t.Helper()
	l.refs++
	ctx, cancel := context.WithTimeout(l.gone, patience)
	defer cancel()
	command = fmt.Sprintf(`%s,"ref":%d}`, strings.TrimSuffix(command, "}"), l.refs)
	if err := l.conn.Write(ctx, websocket.MessageText, []byte(command)); err != nil {
		l.t.Fatalf("sending %.300s: %v", command, err)
	}
}

// answer waits for the answer to the last command, "ok" or "error", and returns what
// came before it, too.
func (l *listener) answer() (answer frame, before []heard) {
	l.t.Helper()
	for {
		x := l.next()
		if x.answer != nil && x.answer.Ref == float64(l.refs) {
			return *x.answer, before
		}
		before = append(before, x)
	}
}

// do sends a command and waits for its answer.
func (l *listener) do(command string, args ...any) (answer frame, before []heard) {
	l.t.Helper()
	l.send(fmt.Sprintf(command, args...))
	return l.answer()
}

// change is do for a subscribe or unsubscribe that is to succeed.
func (l *listener) change(verb string, channels ...string) (before []heard) {
	l.t.Helper()
	answer, before := l.do(`{"type":%q,"channels":%s}`, verb, list(channels...))
	if answer.Type != "ok" {
		l.t.Fatalf("%s %.300q was answered %+v", verb, channels, answer)
	}
	return before
}

// within waits until check returns "", and fails when it took longer than was
// promised.
func within(t *testing.T, promised time.Duration, check func() string) {
	t.Helper()
	began := time.Now()
	eventually(t, check)
	if took := time.Since(began); took > promised+leeway {
		t.Errorf("it took %s, want %s at most", took.Round(time.Millisecond), promised)
	}
}

// broadcast publishes over REST and returns the ids; body is one event or an array.
func (h *testHub) broadcast(channel, body string) []string {
	h.t.Helper()
	answer := h.want(http.StatusAccepted, "POST", "/v1/broadcast/"+channel, body)
	if id, one := answer["id"].(string); one {
		return []string{id}
	}
	var ids []string
	for _, id := range answer["ids"].([]any) {
		ids = append(ids, id.(string))
	}
	return ids
}

// narrow is a way to a hub for clients for whom their kernel keeps this many bytes
// at most, as far as it goes by that.
func narrow(bytes int) http.RoundTripper {
	dialer := &net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		failed := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes)
		})
		if err == nil {
			err = failed
		}
		return err
	}}
	return &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}
}
