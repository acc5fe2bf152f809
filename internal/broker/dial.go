package broker

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// dialsAtOnce is how many connections a pool may make to an address that come to
	// nothing before it waits between them: as many as it has, twice.
	dialsAtOnce = 2
	// dialEvery is how often it tries then. Callers in between fail at once.
	dialEvery = 100 * time.Millisecond
)

// errDialled: there were many connections to this address lately that came to nothing.
var errDialled = errors.New("not tried, after many failures")

// dials bounds how often one pool connects to a Redis that is not there. go-redis rests by
// itself when connections are refused, but not when something accepts them for a Redis that
// is gone, as a load balancer does: then each command makes a connection, which costs a port
// for a minute. A connection over which something comes does not count, be it that Redis does
// not want it. Its methods may be called from any goroutine.
type dials struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	most float64

	mu   sync.Mutex          // protects the field below
	left map[string]*allowed // by address; there are as many as Redis has ever had nodes
}

// allowed is how many connections may be made to an address.
type allowed struct {
	n  float64
	at time.Time // it was so many
}

// newDials is for a pool of size connections, made by way of dial.
func newDials(size int, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *dials {
	return &dials{dial: dial, most: float64(dialsAtOnce * size), left: map[string]*allowed{}}
}

// to connects. The error says that a dial has failed, even where none was tried: the
// command certainly had no effect.
func (d *dials) to(ctx context.Context, network, addr string) (net.Conn, error) {
	if !d.take(addr, time.Now()) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errDialled}
	}
	conn, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	h := &hearing{conn, func() { d.answered(addr) }}
	if plain, ok := conn.(*net.TCPConn); ok {
		return &plainHearing{h, plain}, nil
	}
	return h, nil
}

func (d *dials) take(addr string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.left[addr]
	if a == nil {
		a = &allowed{n: d.most, at: now}
		d.left[addr] = a
	}
	a.n = min(d.most, a.n+float64(now.Sub(a.at))/float64(dialEvery))
	a.at = now
	if a.n < 1 {
		return false
	}
	a.n--
	return true
}

// answered gives a connection back: something has come over it.
func (d *dials) answered(addr string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.left[addr]
	a.n = min(d.most, a.n+1)
}

// hearing is a connection over which nothing may have come yet. Of TLS, the handshake does
// not count: what terminates it may be there without a Redis.
type hearing struct {
	net.Conn

	answered func() // nil once it was; owned by who reads
}

func (h *hearing) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	if n > 0 && h.answered != nil {
		h.answered()
		h.answered = nil
	}
	return n, err
}

// plainHearing is one without TLS. What go-redis asks of the system about a connection, as
// whether the other side has closed it, it asks of the one in it.
type plainHearing struct {
	*hearing

	plain *net.TCPConn
}

// SyscallConn implements syscall.Conn.
func (h *plainHearing) SyscallConn() (syscall.RawConn, error) { return h.plain.SyscallConn() }
