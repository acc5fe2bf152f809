package redistest

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// chunk is how much is forwarded at a time, in bytes. It is go-redis's
	// write buffer, so that a request usually arrives in one piece.
	chunk = 32 << 10

	// dialLimit bounds the wait for the target. A loopback connect takes
	// microseconds, or until the backlog of a paused server has room.
	dialLimit = 5 * time.Second
)

// A link is one client's connection through a Proxy.
type link struct {
	proxy   *Proxy
	client  net.Conn
	open    chan struct{}          // its own gate, beside the proxy's; protected by proxy.mu
	name    string                 // of the client, "" until it has said so; protected by proxy.mu
	cut     func()                 // ends the link, from any goroutine, any number of times
	done    chan struct{}          // closed by cut
	ended   chan struct{}          // closed when run has returned and both connections are closed
	command atomic.Pointer[string] // the latest request, set before it is forwarded
	spared  atomic.Bool            // no fault concerns it
}

func newLink(p *Proxy, client net.Conn) *link {
	l := &link{proxy: p, client: client, open: openGate(), done: make(chan struct{}), ended: make(chan struct{})}
	l.cut = sync.OnceFunc(func() { close(l.done) })
	l.command.Store(new(string))
	return l
}

// run forwards until either end closes or the link is cut. It alone closes the
// connections, and it waits for the goroutines that use them. The target is
// dialled once traffic may flow: a black hole lets no connection through either,
// unless the first request is to tell whether it is meant.
func (l *link) run(ctx context.Context) {
	defer close(l.ended)
	defer func() { _ = l.client.Close() }()
	if !l.proxy.spares && !l.await() {
		return
	}
	dialer := net.Dialer{Timeout: dialLimit}
	server, err := dialer.DialContext(ctx, "tcp", l.proxy.target)
	if err != nil {
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(server, &opening{Conn: l.client, link: l}, l.request) })
	pumps.Go(func() { l.pump(l.client, server, l.answer) })
	<-l.done
	_ = server.Close()
	_ = l.client.Close()
	pumps.Wait()
}

// pump copies until src ends, inspect refuses, or the link is cut. The end of
// src, like its bytes, has to wait while the traffic is stopped.
func (l *link) pump(dst, src net.Conn, inspect func([]byte) bool) {
	defer l.cut()
	buf := make([]byte, chunk)
	for {
		n, readErr := src.Read(buf)
		if !l.await() || n > 0 && !inspect(buf[:n]) {
			return
		}
		if err := l.write(dst, buf[:n]); err != nil || readErr != nil {
			return
		}
	}
}

// request notes what is being asked, and lets it pass.
func (l *link) request(b []byte) bool {
	if name := commandName(b); name != "" {
		l.command.Store(&name)
	}
	return true
}

// answer reports whether an answer may pass.
func (l *link) answer([]byte) bool { return !l.proxy.loses(l) }

// An opening is the client's side of a link, whose first bytes say who it is and whether
// faults concern it.
type opening struct {
	net.Conn

	link *link
	read bool // owned by the pump
}

func (o *opening) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	if n > 0 && !o.read {
		o.read = true
		o.link.spared.Store(o.link.proxy.spares && !strings.EqualFold(commandName(b[:n]), "HELLO"))
		o.link.proxy.meet(o.link, clientName(b[:n]))
	}
	return n, err
}

// await returns true once traffic may flow, false when the link has been cut.
func (l *link) await() bool {
	for !l.spared.Load() {
		gate := l.proxy.gate(l)
		select {
		case <-l.done:
			return false
		case <-gate:
			if l.proxy.gate(l) == gate { // else stopped again already
				return true
			}
		}
	}
	return true
}

// commandName is the first command of a request, "*2\r\n$3\r\nGET\r\n…", or ""
// for bytes that continue one.
func commandName(b []byte) string {
	f := bytes.SplitN(b, []byte("\r\n"), 4)
	if len(f) < 4 || len(f[0]) == 0 || f[0][0] != '*' {
		return ""
	}
	return string(f[2])
}

// clientName is what the client calls itself in a HELLO, "" for other requests.
func clientName(b []byte) string {
	if !strings.EqualFold(commandName(b), "HELLO") {
		return ""
	}
	f := strings.Split(string(b), "\r\n") // each word behind its length
	for i := 4; i+2 < len(f); i += 2 {
		if strings.EqualFold(f[i], "SETNAME") {
			return f[i+2]
		}
	}
	return ""
}

func isHandshake(command string) bool {
	switch strings.ToUpper(command) {
	case "HELLO", "AUTH", "CLIENT", "SELECT":
		return true
	}
	return false
}
