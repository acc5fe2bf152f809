package http

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"eventhub/internal/hub"
)

// conn is a client's connection, under net/http. It spares the work that net/http does
// for each request, and that a short request never needs: six read deadlines and two
// write deadlines, each a timer, of which a request that has come whole waits for
// none; and a goroutine that reads one byte from the connection, to notice when the client
// leaves. Together they were 4 of the 33 µs of CPU that a publish took.
//
// TLS is spoken above it, by crypto/tls, and net/http must be given that connection to
// speak HTTP/2. So with TLS the deadlines that nothing waits for are spared, too, but not
// the goroutine, nor those that stop it: what it reads is never a single byte here, and
// with HTTP/2 one reads for all requests.
type conn struct {
	net.Conn
	unwatched     atomic.Bool // see watchless
	reads, writes deadline
}

// listener gives net/http its connections.
type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if c, ok := c.(*conn); ok {
		return hub.WithClient(ctx, c)
	}
	return ctx
}

// connOf is nil where a request has not come through a listener.
func connOf(r *http.Request) *conn {
	c, _ := hub.ClientOf(r.Context()).(*conn)
	return c
}

// watchless serves a request whose answer has a time limit of its own, without
// looking all the time whether the client is still there: its context does not end when
// the client leaves, but who waits for long can ask (Left). To look, net/http reads one
// byte in the background once it has all of the body; here that read ends at once, and
// with nothing. The body is of a known length, as a body in chunks may be read by single
// bytes, too. With TLS net/http does look, and the context tells.
func watchless(serve endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if c := connOf(r); c != nil && r.TLS == nil && r.ContentLength > 0 {
			c.unwatched.Store(true)
			defer c.unwatched.Store(false)
		}
		return serve(w, r)
	}
}

// Left is for requests that are served watchless; of others net/http tells.
func (c *conn) Left() bool {
	kernel, ok := c.Conn.(syscall.Conn)
	if !ok || !c.unwatched.Load() {
		return false
	}
	raw, err := kernel.SyscallConn()
	return err == nil && ended(raw)
}

func (c *conn) Read(p []byte) (int, error) {
	if len(p) == 1 && c.unwatched.Load() {
		return 0, nil
	}
	c.reads.begin(c.Conn, net.Conn.SetReadDeadline)
	n, err := c.Conn.Read(p)
	c.reads.end()
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	c.writes.begin(c.Conn, net.Conn.SetWriteDeadline)
	n, err := c.Conn.Write(p)
	c.writes.end()
	return n, err
}

func (c *conn) SetReadDeadline(t time.Time) error {
	return c.reads.want(t, c.Conn, net.Conn.SetReadDeadline)
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.writes.want(t, c.Conn, net.Conn.SetWriteDeadline)
}

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// CloseWrite lets net/http end an answer before the request has come whole.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// NetConn is the connection beneath, as crypto/tls names it.
func (c *conn) NetConn() net.Conn { return c.Conn }

// release gives the connection away, without deadlines.
func (c *conn) release() net.Conn {
	_ = c.SetDeadline(time.Time{}) // fails on a closed connection only
	c.reads.begin(c.Conn, net.Conn.SetReadDeadline)
	c.reads.end()
	c.writes.begin(c.Conn, net.Conn.SetWriteDeadline)
	c.writes.end()
	return c.Conn
}

// deadline is one that the connection gets when something is about to wait for it. One
// that would fire a little early stays as it is, so that those that move with
// each request are set once in a while.
type deadline struct {
	mu     sync.Mutex // protects the fields below; held while the connection's is set
	wanted time.Time
	set    time.Time // the connection's
	calls  int       // that may wait
}

// early is the part of a wait by which it may end too early: an idle connection is
// closed after 116 to 120 seconds.
const early = 32

// setter sets a connection's deadline. It does not wait.
type setter func(net.Conn, time.Time) error

func (d *deadline) begin(c net.Conn, set setter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if !d.due() {
		return
	}
	d.set = d.wanted
	_ = set(c, d.set) // fails on a closed connection only
}

func (d *deadline) end() {
	d.mu.Lock()
	d.calls--
	d.mu.Unlock()
}

// due says whether the connection's deadline will not do.
func (d *deadline) due() bool {
	switch {
	case d.wanted == d.set: //nolint:staticcheck // the same value, not only the same time
		return false
	case d.wanted.IsZero(), d.set.IsZero(), d.set.After(d.wanted):
		return true
	}
	return d.wanted.Sub(d.set) > time.Until(d.wanted)/early
}

// want changes what calls that wait already wait for, too.
func (d *deadline) want(t time.Time, c net.Conn, set setter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted = t; d.calls == 0 {
		return nil
	}
	d.set = t
	return set(c, t)
}
