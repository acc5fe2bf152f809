package http_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// limits counts what has refused something.
type limits struct {
	mu    sync.Mutex // protects the field below
	count map[string]int
}

func (l *limits) limited(limit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == nil {
		l.count = map[string]int{}
	}
	l.count[limit]++
}

func (l *limits) of(limit string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count[limit]
}

// dial connects to a running server; from is an address of this machine.
func (r *running) dial(from string) net.Conn {
	r.t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := dialer.DialContext(r.t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// live asks over a connection whether the hub lives.
func live(t *testing.T, conn net.Conn) *nethttp.Response {
	t.Helper()
	_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: hub\r\n\r\n") // who is refused may be cut off here
	a, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	a.Body = io.NopCloser(strings.NewReader(string(body)))
	return a
}

// refused makes sure that a connection is told why it was refused, without being asked.
func refused(t *testing.T, conn net.Conn, want hub.Code, setting string) {
	t.Helper()
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("there is %q (%v)", text, err)
	}
	a, err := nethttp.ReadResponse(bufio.NewReader(strings.NewReader(string(text))), nil)
	if err != nil {
		t.Fatalf("there is %q (%v)", text, err)
	}
	defer a.Body.Close()
	var p problem
	if err := json.NewDecoder(a.Body).Decode(&p); err != nil || a.StatusCode != want.Status() || p.Code != want || !strings.Contains(p.Detail, setting) ||
		a.Header.Get("Content-Type") != "application/problem+json" || a.Header.Get("Retry-After") == "" || !a.Close || p.RequestID == "" || p.RequestID != a.Header.Get("X-Request-Id") {
		t.Errorf("the answer is %s (%v)", text, err)
	}
}

// comesIn dials until a connection is let in: that another has left is seen a moment later.
func (r *running) comesIn(from string) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if live(r.t, r.dial(from)).StatusCode == nethttp.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal("nobody is let in though another has left")
		}
	}
}

func runningWith(t *testing.T, opts http.Options) *running {
	t.Helper()
	e := newEdgeWith(t, opts)
	r := e.run(time.Second, func(context.Context) {})
	t.Cleanup(func() {
		r.stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestConnectionsBeyondTheBoundAreToldSo(t *testing.T) {
	t.Parallel()
	var l limits
	r := runningWith(t, http.Options{MaxConnections: 2, Limited: l.limited})
	first, second := r.dial("127.0.0.1"), r.dial("127.0.0.1")
	live(t, first)
	live(t, second)
	refused(t, r.dial("127.0.0.1"), hub.CodeUnavailable, "HUB_MAX_CONNECTIONS")
	if a := live(t, first); a.StatusCode != nethttp.StatusOK { // who was there goes on
		t.Errorf("it is answered %s", a.Status)
	}
	if n := l.of("connections"); n != 1 || l.of("address") != 0 {
		t.Errorf("%d were counted, want 1", n)
	}
	_ = second.Close()
	r.comesIn("127.0.0.1")
}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	var l limits
	r := runningWith(t, http.Options{MaxConnectionsPerAddress: 1, Limited: l.limited})
	first := r.dial("127.0.0.2")
	live(t, first)
	refused(t, r.dial("127.0.0.2"), hub.CodeRateLimited, "HUB_MAX_CONNECTIONS_PER_ADDRESS")
	if a := live(t, r.dial("127.0.0.3")); a.StatusCode != nethttp.StatusOK {
		t.Errorf("another address is answered %s", a.Status)
	}
	if n := l.of("address"); n != 1 || l.of("connections") != 0 {
		t.Errorf("%d were counted, want 1", n)
	}
	_ = first.Close()
	r.comesIn("127.0.0.2")
}

// A socket has its connection from net/http, and closes it by itself.
func TestSocketsAreConnectionsUntilTheyEnd(t *testing.T) {
	t.Parallel()
	e := newEdgeWith(t, http.Options{MaxConnections: 1})
	taken := make(chan net.Conn, 1)
	e.socket = func(w nethttp.ResponseWriter, _ *nethttp.Request, _ *auth.Principal) error {
		conn, _, err := w.(nethttp.Hijacker).Hijack()
		if err != nil {
			return err
		}
		taken <- conn
		return nil
	}
	r := e.run(time.Second, func(context.Context) {})
	defer func() {
		r.stop()
		<-r.ended
	}()
	socket := r.dial("127.0.0.1")
	_, _ = io.WriteString(socket, "GET /v1/broadcast/ws HTTP/1.1\r\nHost: hub\r\n\r\n")
	conn := receive(t, taken, "the connection")
	refused(t, r.dial("127.0.0.1"), hub.CodeUnavailable, "HUB_MAX_CONNECTIONS")
	_ = conn.Close()
	_ = conn.Close() // counts once
	r.comesIn("127.0.0.1")
}

// Whoever is refused takes no time of those who come after, whether they read or not.
func TestRefusedConnectionsHoldUpNobody(t *testing.T) {
	t.Parallel()
	var l limits
	r := runningWith(t, http.Options{MaxConnectionsPerAddress: 1, Limited: l.limited})
	live(t, r.dial("127.0.0.2"))
	const many = 400
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}}
	for range many { // which say and read nothing
		if conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://")); err == nil { // else it was reset so soon
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	if a := live(t, r.dial("127.0.0.3")); a.StatusCode != nethttp.StatusOK {
		t.Errorf("another address is answered %s", a.Status)
	}
	if n := l.of("address"); n != many {
		t.Errorf("%d were refused, want %d", n, many)
	}
}

func TestConnectionsOverTLSBeyondTheBoundAreClosed(t *testing.T) {
	t.Parallel()
	var l limits
	r := runningWith(t, http.Options{MaxConnections: 1, Limited: l.limited, Certificate: noCertificate})
	r.dial("127.0.0.1")
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatal(err)
		}
		return // it was closed so soon
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if text, err := io.ReadAll(conn); len(text) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it is answered %q in the open (%v)", text, err)
	}
	if n := l.of("connections"); n != 1 {
		t.Errorf("%d were counted, want 1", n)
	}
}

func TestHandshakesBeyondTheBoundAreRefused(t *testing.T) {
	t.Parallel()
	var l limits
	who := opened(may(t, everything))
	e := newEdgeWith(t, http.Options{HandshakesPerSecond: 3, Auth: who, Limited: l.limited})
	r := newFakeReader()
	r.ended, r.closed = gone, make(chan struct{}, 10)
	e.broker.give(r)
	paths := []string{upgrade, readerPath, "/v1/sinks/billing/ws?stream=orders"}
	for _, path := range paths {
		if a := e.call("GET", path, ""); a.Code == 429 {
			t.Errorf("%s is answered %d", path, a.Code)
		}
	}
	refused := 0
	for range 20 { // one more may come every third of a second
		for _, path := range append(paths, "/v1/broadcast/sse?channel=a", "/v1/readers/ws?stream=a") {
			a := e.call("GET", path, "")
			if a.Code != 429 {
				continue
			}
			refused++
			if p := a.problem(hub.CodeRateLimited); !strings.Contains(p.Detail, "HUB_HANDSHAKES_PER_SECOND") || a.Header().Get("Retry-After") == "" {
				t.Errorf("the answer is %v %s", a.Header(), a.Body)
			}
		}
	}
	if refused < 80 || l.of("handshakes") != refused {
		t.Errorf("%d of 100 were refused, %d counted", refused, l.of("handshakes"))
	}
	e.call("GET", "/v1/streams", "").is(200, `{"streams":[]}`) // others are none
	if a := e.call("POST", "/v1/broadcast/ws", `{"data":1}`); a.Code != 202 {
		t.Errorf("a channel with the name of an endpoint is answered %d", a.Code)
	}
}

func TestStrangersLeaveTheHandshakesToThoseWhoAreKnown(t *testing.T) {
	t.Parallel()
	var l limits
	who := opened(may(t, everything))
	who.open, who.known = nil, map[string]*auth.Principal{"good": who.open("127.0.0.1")}
	e := newEdgeWith(t, http.Options{HandshakesPerSecond: 1, Auth: who, Limited: l.limited})
	ticket := strings.Repeat("A", 43)
	for range 50 {
		for _, header := range []string{"X: y", "Authorization: Bearer bad"} {
			e.call("GET", "/v1/readers/ws?stream=a", "", header).problem(hub.CodeUnauthenticated)
		}
		e.call("GET", "/v1/readers/ws?stream=a&ticket="+ticket, "")
	}
	if a := e.call("GET", "/v1/readers/ws?stream=a", "", "Authorization: Bearer good"); a.Code == 429 || a.Code == 401 {
		t.Errorf("who is known is answered %d %s", a.Code, a.Body)
	}
	if n := l.of("handshakes"); n < 40 {
		t.Errorf("%d of 50 bad tickets were refused without a look", n)
	}
}

func TestHeaderBoundCanBeSet(t *testing.T) {
	t.Parallel()
	r := runningWith(t, http.Options{MaxHeaderBytes: 8 << 10})
	for size, want := range map[int]int{7 << 10: 200, 32 << 10: 431} {
		conn := r.dial("127.0.0.1")
		_, _ = fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: hub\r\nX: %s\r\n\r\n", strings.Repeat("x", size))
		a, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _ = a.Body.Close(); a.StatusCode != want {
			t.Errorf("a header of %d bytes is answered %s", size, a.Status)
		}
	}
}

func TestCompressedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	for route, n := range needs {
		if n.body == "" || route == "PUT /log-level" {
			continue
		}
		e := newEdgeWith(t, http.Options{})
		e.broker.publish = func(context.Context, hub.Publication) (hub.Published, error) { panic("it was stored") }
		method, path, _ := strings.Cut(fill.Replace(route)+parameters[route], " ")
		for _, coding := range []string{"gzip", "identity, gzip", "x", "br"} {
			a := e.call(method, path, n.body, "Content-Encoding: "+coding)
			a.problem(hub.CodeUnsupportedMedia)
			if a.Header().Get("Accept-Encoding") != "identity" {
				t.Errorf("%s: the header is %v", route, a.Header())
			}
		}
	}
	newEdge(t).call("POST", publishPath, `{"data":1}`, "Content-Encoding: Identity").is(201, `{"id":"1763650000000-0","stream":"orders"}`)
}

func noCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }

func TestAddressesOfOneSubscriberCountAsOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"::1", "127.0.0.1", false},
	} {
		at := func(ip string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: port} }
		if same := http.Neighbourhood(at(c.one, 1)) == http.Neighbourhood(at(c.other, 2)); same != c.same {
			t.Errorf("%s and %s count as one: %v", c.one, c.other, same)
		}
	}
}
