package ws

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// bubble is a server of sockets whose clock is the test's: time passes while everybody
// waits.
type bubble struct {
	t       *testing.T
	broker  *fakeBroker
	server  *Server
	limited *counts
}

// counts is what Options.Limited was told.
type counts struct {
	mu sync.Mutex // protects the field below
	of map[string]int
}

func (c *counts) add(limit string) {
	c.mu.Lock()
	c.of[limit]++
	c.mu.Unlock()
}

func (c *counts) get(limit string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[limit]
}

// inBubble has a test run with a server, which closes at its end.
func inBubble(t *testing.T, broker *fakeBroker, opts Options, test func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, broker: broker, limited: &counts{of: map[string]int{}}}
		opts.Limited, opts.Registry = b.limited.add, prometheus.NewRegistry()
		b.server = NewServer(broker, opts)
		defer b.server.Close()
		test(b)
	})
}

// upgrade is a request whose connection is to be taken over.
type upgrade struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (u upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return u.conn, bufio.NewReadWriter(bufio.NewReader(u.conn), bufio.NewWriter(u.conn)), nil
}

// try asks for a socket, whose other end it returns.
func (b *bubble) try(path string, who *auth.Principal) (net.Conn, error) {
	far, near := net.Pipe()
	r := httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, nil)
	r.Header = handshake()
	serve := b.server.ServeBroadcast
	switch {
	case strings.HasPrefix(path, "/v1/sinks/"):
		r.SetPathValue("sink", "billing")
		serve = b.server.ServeSink
	case strings.HasPrefix(path, "/v1/readers/"):
		serve = b.server.ServeReader
	}
	if err := serve(upgrade{httptest.NewRecorder(), near}, r, who); err != nil {
		_ = near.Close()
		return nil, err
	}
	return far, nil
}

func handshake() http.Header {
	return http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
}

// open is try for a socket that there is, whose frames are read.
func (b *bubble) open(path string, who *auth.Principal) *far {
	b.t.Helper()
	conn, err := b.try(path, who)
	if err != nil {
		b.t.Fatal(err)
	}
	f := &far{t: b.t, conn: conn, opened: time.Now(), writing: make(chan struct{}, 1)}
	go f.read() // until the connection is closed, which the bubble waits for
	synctest.Wait()
	if frames := f.take(); len(frames) == 0 || !strings.HasPrefix(frames[0], `{"type":"ready",`) {
		b.t.Fatalf("the first frames are %q", frames)
	} else {
		f.mu.Lock()
		f.frames = frames[1:]
		f.mu.Unlock()
	}
	return f
}

// far is the other end of a socket.
type far struct {
	t       *testing.T
	conn    net.Conn
	opened  time.Time
	writing chan struct{} // one slot, of who writes

	mu     sync.Mutex // protects the fields below
	frames []string   // that came
	pings  int
	deaf   bool   // it answers neither pings nor the close frame
	code   int    // of the close frame; 0: none came
	reason string // likewise
	gone   time.Duration
}

func (f *far) read() {
	in := bufio.NewReader(f.conn)
	for {
		opcode, payload, err := readServerFrame(in)
		f.mu.Lock()
		switch {
		case err != nil:
			f.gone = time.Since(f.opened)
		case opcode == finalText:
			f.frames = append(f.frames, string(payload))
		case opcode == finalClose:
			f.code, f.reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		case opcode == finalPing:
			f.pings++
		}
		deaf := f.deaf
		f.mu.Unlock()
		switch {
		case err != nil:
			return
		case deaf:
		case opcode == finalPing:
			_ = f.write(masked(finalPong, nil))
		case opcode == finalClose:
			_ = f.write(masked(finalClose, payload))
		}
	}
}

func readServerFrame(in *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1])
	var more [8]byte
	switch size {
	case 126:
		_, err = io.ReadFull(in, more[6:])
		size = binary.BigEndian.Uint64(more[:])
	case 127:
		_, err = io.ReadFull(in, more[:])
		size = binary.BigEndian.Uint64(more[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(in, payload)
	return head[0], payload, err
}

// masked is a client's frame, whose mask is zero.
func masked(first byte, payload []byte) []byte {
	frame := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		frame = append(frame, 0x80|byte(n))
	case n <= 0xffff:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	return append(append(frame, 0, 0, 0, 0), payload...)
}

// write writes whole frames.
func (f *far) write(frames []byte) error {
	f.writing <- struct{}{} // a mutex would stop the clock
	defer func() { <-f.writing }()
	_, err := f.conn.Write(frames)
	return err
}

// ignore has f answer neither pings nor the close frame.
func (f *far) ignore() {
	f.mu.Lock()
	f.deaf = true
	f.mu.Unlock()
}

// send sends a command, and waits until nothing happens any more.
func (f *far) send(command string) {
	f.t.Helper()
	if err := f.write(masked(finalText, []byte(command))); err != nil {
		f.t.Fatal(err)
	}
	synctest.Wait()
}

// take is the frames that came since the last time.
func (f *far) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	frames := f.frames
	f.frames = nil
	return frames
}

func (f *far) expect(want ...string) {
	f.t.Helper()
	synctest.Wait()
	if got := f.take(); !slices.Equal(got, want) {
		f.t.Errorf("the frames are\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// refused expects one frame, an error of this code under the ref, which says so.
func (f *far) refused(code hub.Code, ref, says string) {
	f.t.Helper()
	synctest.Wait()
	frames := f.take()
	if len(frames) != 1 || !strings.HasPrefix(frames[0], `{"type":"error","ref":`+ref+`,"code":"`+string(code)+`"`) || !strings.Contains(frames[0], says) {
		f.t.Errorf("the frames are\n%s, want the error %s under %s, with %q", strings.Join(frames, "\n"), code, ref, says)
	}
}

// closed is the close frame, and how long after it was opened the connection ended; 0:
// it has not.
func (f *far) closed() (code int, reason string, gone time.Duration) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.code, f.reason, f.gone
}

// grant is of a principal that may do this.
func grant(permissions ...auth.Permission) auth.Grant { return auth.Grant{Permissions: permissions} }

// someone makes a principal that its keys or tokens stand for.
func someone(t *testing.T, id string, g auth.Grant, expires time.Time) *auth.Principal {
	t.Helper()
	who, _ := mortal(t, id, g, expires)
	return who
}

// mortal is someone who can be ended.
func mortal(t *testing.T, id string, g auth.Grant, expires time.Time) (*auth.Principal, func(*hub.Error)) {
	t.Helper()
	who, err := auth.New(id, g, expires, auth.NewAccount(g.Limits, 1))
	if err != nil {
		t.Fatal(err)
	}
	return who, who.End
}
