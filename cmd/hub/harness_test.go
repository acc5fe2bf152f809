package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

// asHub has the test binary run as a hub instead: a process that can be killed.
const asHub = "EVENTHUB_TEST_RUN_AS_HUB"

func TestMain(m *testing.M) {
	if os.Getenv(asHub) != "" {
		main()
		return
	}
	// go-redis looks once a second for a server that is down, even after Close.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// patience is how long anything may take on a loaded machine before a test
// gives it up. Nothing waits that long when all is well.
const patience = 20 * time.Second

// testHub is a running hub that tests speak to only over HTTP and WebSockets.
type testHub struct {
	t    *testing.T
	base string            // http://host:port, or https://host:port
	via  http.RoundTripper // nil: the client's
	logs *logBuffer
	stop func() error // as SIGTERM would; idempotent
	kill func()       // as SIGKILL would; nil for a hub in this process

	signal func(syscall.Signal) // nil for a hub in this process
}

// environment is how hubs are set up in tests: a free port, and quick to leave.
func environment(settings []string) []string {
	return append([]string{"HUB_ADDR=127.0.0.1:0", "HUB_LOG_LEVEL=debug", "HUB_DRAIN_TIMEOUT=2s", "HUB_SHUTDOWN_TIMEOUT=8s"}, settings...)
}

// startHub runs a hub in this process, with settings such as "HUB_REDIS_URL=…".
func startHub(t *testing.T, settings ...string) *testHub {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // the cleanup ends it
	logs := newLogBuffer()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"hub"}, environment(settings), io.Discard, logs) }()
	h := &testHub{t: t, logs: logs, stop: sync.OnceValue(func() error {
		cancel()
		return <-ended
	})}
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Errorf("the hub ended with: %v", err)
		}
		if t.Failed() {
			t.Logf("log of the hub:\n%s", logs)
		}
	})
	h.base = "http://" + logs.address(t)
	return h
}

// startProcess runs a hub in a process of its own.
func startProcess(t *testing.T, settings ...string) *testHub {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // the cleanup ends it
	logs := newLogBuffer()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(append(os.Environ(), asHub+"=1"), environment(settings)...)
	cmd.Stderr, cmd.WaitDelay = logs, patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	wait := sync.OnceValue(func() error { return <-ended })
	h := &testHub{
		t: t, logs: logs,
		stop: func() error {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			return wait()
		},
		kill: func() {
			_ = cmd.Process.Kill()
			_ = wait()
		},
		signal: func(signal syscall.Signal) { _ = cmd.Process.Signal(signal) },
	}
	t.Cleanup(func() {
		cancel()
		_ = wait()
		if t.Failed() {
			t.Logf("log of the hub's process:\n%s", logs)
		}
	})
	h.base = "http://" + logs.address(t)
	return h
}

// logBuffer keeps a hub's log, and tells where it listens.
type logBuffer struct {
	mu   sync.Mutex // protects the field below
	text bytes.Buffer

	listening chan string
}

func newLogBuffer() *logBuffer { return &logBuffer{listening: make(chan string, 1)} }

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	lines := bufio.NewScanner(bytes.NewReader(p))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			l.listening <- line.Addr
		}
	}
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logBuffer) address(t *testing.T) string {
	t.Helper()
	select {
	case addr := <-l.listening:
		return addr
	case <-time.After(patience):
		t.Fatalf("the hub does not listen:\n%s", l)
		return ""
	}
}

// client is what tests call hubs with: no connection outlives its test.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// client is what this hub is called with.
func (h *testHub) client() *http.Client {
	if h.via == nil {
		return client
	}
	return &http.Client{Transport: h.via, Timeout: patience}
}

// response is an answer with its body read.
type response struct {
	*http.Response
	body []byte
}

// json reads the body into a generic object.
func (r response) json(t *testing.T) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(r.body, &object); err != nil {
		t.Fatalf("status %d with a body that is no JSON object: %s", r.StatusCode, r.body)
	}
	return object
}

// call sends a request; header is "Name: value".
func (h *testHub) call(method, path, body string, header ...string) response {
	h.t.Helper()
	request, err := http.NewRequestWithContext(h.t.Context(), method, h.base+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	answer, err := h.client().Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return response{answer, content}
}

// in is the hub for a subtest.
func (h *testHub) in(t *testing.T) *testHub {
	sub := *h
	sub.t = t
	return &sub
}

// want sends a request and reads the answer, which has this status.
func (h *testHub) want(status int, method, path, body string) map[string]any {
	h.t.Helper()
	answer := h.call(method, path, body)
	if answer.StatusCode != status {
		h.t.Fatalf("%s %s %.300s: %d %.1000s, want %d", method, path, body, answer.StatusCode, answer.body, status)
	}
	if len(answer.body) == 0 {
		return nil
	}
	return answer.json(h.t)
}

// put makes a sink, or changes it.
func (h *testHub) put(sink, body string) map[string]any {
	h.t.Helper()
	answer := h.call("PUT", "/v1/sinks/"+sink, body)
	if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusOK {
		h.t.Fatalf("putting the sink %s: %d %s", sink, answer.StatusCode, answer.body)
	}
	return answer.json(h.t)
}

// pull takes events over REST; query may be "".
func (h *testHub) pull(sink, query, body string) []event {
	h.t.Helper()
	answer := h.call("POST", "/v1/sinks/"+sink+"/pull"+query, body)
	var page struct{ Events []event }
	if err := json.Unmarshal(answer.body, &page); err != nil || answer.StatusCode != http.StatusOK || page.Events == nil {
		h.t.Fatalf("pulling: %d %.1000s", answer.StatusCode, answer.body)
	}
	return page.Events
}

// publish stores one event and returns its id.
func (h *testHub) publish(stream, event string) string {
	h.t.Helper()
	answer := h.call("POST", "/v1/streams/"+stream+"/events", event)
	if answer.StatusCode != http.StatusCreated {
		h.t.Fatalf("publishing: %d %s", answer.StatusCode, answer.body)
	}
	return answer.json(h.t)["id"].(string)
}

// publishMany stores n events with data 0…n-1 and returns their ids.
func (h *testHub) publishMany(stream string, n int) []string {
	h.t.Helper()
	var ids []string
	for at := 0; at < n; at += 1000 {
		var batch []string
		for i := at; i < min(n, at+1000); i++ {
			batch = append(batch, fmt.Sprintf(`{"type":"n","data":%d}`, i))
		}
		answer := h.call("POST", "/v1/streams/"+stream+"/events", "["+strings.Join(batch, ",")+"]")
		if answer.StatusCode != http.StatusCreated {
			h.t.Fatalf("publishing: %d %s", answer.StatusCode, answer.body)
		}
		for _, id := range answer.json(h.t)["ids"].([]any) {
			ids = append(ids, id.(string))
		}
	}
	return ids
}

// event is an event as it is delivered.
type event struct {
	ID, Stream, Channel, Type, Topic, Key, Time string
	ContentType                                 string `json:"content_type"`
	Headers                                     map[string]string
	Data                                        json.RawMessage
	DataBase64                                  *string `json:"data_base64"`
	Attempt                                     int
}

// frame is any frame of the hub.
type frame struct {
	Type, Session, Role, Sink, From, To, Code, Detail string
	Stream, Channel, Reason, Cursor                   string
	Ref                                               any
	Streams, Channels, Ignored                        []string
	AckWait                                           string `json:"ack_wait"`
	ReconnectAfter                                    string `json:"reconnect_after"`
	Prefetch                                          int
	At                                                string // of expiring
	ExpiresAt                                         string `json:"expires_at"`
	Events                                            []event
	Lost                                              int64 `json:"-"` // events of a gap
	IDs                                               []string
	Replayed                                          []int
	Acked, Nacked, Extended, Stale                    []string
	NotPending                                        []string `json:"not_pending"`
}

// UnmarshalJSON reads events, of which a gap has only the number.
func (f *frame) UnmarshalJSON(text []byte) error {
	type plain frame
	told := struct {
		*plain
		Events json.RawMessage
	}{plain: (*plain)(f)}
	if err := json.Unmarshal(text, &told); err != nil || told.Events == nil {
		return err
	}
	if f.Type == "gap" {
		return json.Unmarshal(told.Events, &f.Lost)
	}
	return json.Unmarshal(told.Events, &f.Events)
}

// socket is a WebSocket client. A goroutine reads its frames, so that what it
// was sent is not lost when a test waits for something else.
type socket struct {
	t      *testing.T
	conn   *websocket.Conn
	frames chan frame // closed when the socket ends
	ended  error      // why; set before frames is closed
	ready  frame

	refs  int     // of the commands that do has sent
	aside []frame // came while do waited for its answer; next gives them first
}

// dial connects and waits for the ready frame.
func (h *testHub) dial(path string) *socket {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, answer, err := websocket.Dial(ctx, h.base+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: h.via}})
	if err != nil {
		detail := ""
		if answer != nil && answer.Body != nil {
			body, _ := io.ReadAll(answer.Body)
			detail = string(body)
		}
		h.t.Fatalf("connecting to %s: %v %s", path, err, detail)
	}
	conn.SetReadLimit(64 << 20)
	s := &socket{t: h.t, conn: conn, frames: make(chan frame, 10_000)}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		s.read()
	}()
	h.t.Cleanup(func() {
		_ = conn.CloseNow()
		<-reading
	})
	s.ready = s.next("ready")
	return s
}

func (s *socket) read() {
	defer close(s.frames)
	for {
		_, text, err := s.conn.Read(context.Background())
		if err != nil {
			s.ended = err
			return
		}
		var f frame
		if err := json.Unmarshal(text, &f); err != nil {
			s.ended = fmt.Errorf("a frame that is no JSON: %w: %s", err, text)
			return
		}
		s.frames <- f
	}
}

// next waits for a frame of this type and passes over others.
func (s *socket) next(kind string) frame {
	s.t.Helper()
	for len(s.aside) > 0 {
		f := s.aside[0]
		if s.aside = s.aside[1:]; f.Type == kind {
			return f
		}
	}
	timeout := time.After(patience)
	for {
		if f := s.receive(timeout, kind); f.Type == kind {
			return f
		}
	}
}

// only waits for a frame of this type; no other may come before it.
func (s *socket) only(kind string) frame {
	s.t.Helper()
	if len(s.aside) > 0 {
		f := s.aside[0]
		if s.aside = s.aside[1:]; f.Type != kind {
			s.t.Fatalf("%+v came while a frame %q was awaited", f, kind)
		}
		return f
	}
	f := s.receive(time.After(patience), kind)
	if f.Type != kind {
		s.t.Fatalf("%+v came while a frame %q was awaited", f, kind)
	}
	return f
}

// receive waits for the next frame, whatever it is. No frame of events is empty.
func (s *socket) receive(timeout <-chan time.Time, what string) frame {
	s.t.Helper()
	select {
	case f, ok := <-s.frames:
		if !ok {
			s.t.Fatalf("the socket ended while a frame %q was awaited: %v", what, s.ended)
		}
		if f.Type == "events" && len(f.Events) == 0 {
			s.t.Error("an empty frame of events came")
		}
		return f
	case <-timeout:
		s.t.Fatalf("no frame %q came", what)
		return frame{}
	}
}

// events waits until n events have come, and fails when more come in the same
// frame.
func (s *socket) events(n int) []event {
	s.t.Helper()
	var events []event
	for len(events) < n {
		events = append(events, s.next("events").Events...)
	}
	if len(events) > n {
		s.t.Fatalf("%d events came, want %d", len(events), n)
	}
	return events
}

// send sends a command.
func (s *socket) send(command string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, []byte(command)); err != nil {
		s.t.Fatalf("sending %s: %v", command, err)
	}
}

// do sends a command, an object without a ref, and waits for its answer,
// "ok" or "error". It keeps what else comes for next.
func (s *socket) do(command string, args ...any) frame {
	s.t.Helper()
	s.refs++
	command = fmt.Sprintf(command, args...)
	s.send(fmt.Sprintf(`%s,"ref":%d}`, strings.TrimSuffix(command, "}"), s.refs))
	timeout := time.After(patience)
	for {
		f := s.receive(timeout, "answer to "+command)
		if f.Ref == float64(s.refs) {
			return f
		}
		s.aside = append(s.aside, f)
	}
}

// ok is do for a command that is to succeed.
func (s *socket) ok(command string, args ...any) frame {
	s.t.Helper()
	f := s.do(command, args...)
	if f.Type != "ok" {
		s.t.Fatalf("%.500s was answered %+v", fmt.Sprintf(command, args...), f)
	}
	return f
}

// until waits for this event, and returns it after all that came before it.
func (s *socket) until(id string) []event {
	s.t.Helper()
	var events []event
	for {
		events = append(events, s.next("events").Events...)
		if slices.Contains(ids(events), id) {
			return events
		}
	}
}

// ack acknowledges events and waits for the answer.
func (s *socket) ack(stream string, ids ...string) frame {
	s.t.Helper()
	return s.ok(`{"type":"ack","stream":%q,"ids":%s}`, stream, list(ids...))
}

// passed returns the next frame that has come already, if any.
func (s *socket) passed() (frame, bool) {
	if len(s.aside) > 0 {
		f := s.aside[0]
		s.aside = s.aside[1:]
		return f, true
	}
	select {
	case f, open := <-s.frames:
		return f, open
	default:
		return frame{}, false
	}
}

// closed waits until the hub closes the socket, and returns its code.
func (s *socket) closed() websocket.StatusCode {
	s.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case _, ok := <-s.frames:
			if !ok {
				return websocket.CloseStatus(s.ended)
			}
		case <-timeout:
			s.t.Fatal("the hub does not close the socket")
		}
	}
}

// drop ends the connection without a word, as a crash would.
func (s *socket) drop() { _ = s.conn.CloseNow() }

// eventually waits until check returns "": it says what is still wrong.
func eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still after %s: %s", patience, wrong)
		}
		select {
		case <-t.Context().Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// list is the JSON of names or ids.
func list(texts ...string) string {
	text, _ := json.Marshal(append([]string{}, texts...))
	return string(text)
}

func ids(events []event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = e.ID
	}
	return list
}

func sorted(texts []string) []string {
	slices.Sort(texts)
	return texts
}
