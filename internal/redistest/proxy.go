package redistest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A Proxy forwards TCP connections to a Redis server and breaks them on demand.
// It reads no more of the protocol than the name of a request. Where servers name
// one another's addresses, as those of a cluster do, Setup puts one before each.
//
// All methods may be called from any goroutine. A fault concerns what is sent
// after its method has returned; what is on its way then may still arrive, as
// if it had been faster.
type Proxy struct {
	t      testing.TB
	target string
	addr   string
	spares bool           // those connections that do not begin with HELLO
	wg     sync.WaitGroup // the accept loops and the links; close waits

	mu     sync.Mutex   // protects the fields below, and the gates of the links
	ln     net.Listener // nil while connections are refused
	open   chan struct{}
	parted map[string]chan struct{} // the gates of some clients, by their names
	links  map[*link]struct{}       // each until its goroutine ends
	drops  int                      // answers still to be lost
	only   []string                 // commands whose answers are lost; empty: all but the handshake's
	lost   int                      // answers that were
	shape  Shape                    // how traffic is slowed
	shaped int                      // pieces that were
	resets int                      // connections that were reset
	tried  int                      // connections that clients have made
	closed bool                     // nothing is restored any more
}

// NewProxy starts a proxy on a free loopback port for the server at target
// (host:port), closed when t ends. When the target cannot be reached, clients
// see their connection accepted and then closed.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return startProxy(t, target, false)
}

// newNodeProxy starts one for a server that others speak to as well: the nodes of its
// kind, and sentinels. Its faults concern only connections whose first request is HELLO,
// as go-redis's is; those of servers begin with PING, AUTH or CLIENT. Refuse alone spares
// nobody, as it comes before the first request.
func newNodeProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return startProxy(t, target, true)
}

func startProxy(t testing.TB, target string, spares bool) *Proxy {
	t.Helper()
	p := &Proxy{t: t, target: target, spares: spares, open: openGate(), links: make(map[*link]struct{}), parted: map[string]chan struct{}{}}
	for p.ln == nil { // a port that is free may be taken a moment later
		p.addr = net.JoinHostPort(host, strconv.Itoa(freePort(t)))
		p.ln, _ = net.Listen("tcp", p.addr)
	}
	p.serve(p.ln)
	t.Cleanup(p.close)
	return p
}

// Addr is host:port.
func (p *Proxy) Addr() string { return p.addr }

// URL is redis://host:port.
func (p *Proxy) URL() string { return "redis://" + p.Addr() }

// Blackhole stops the traffic both ways as a broken network does: connections
// stay open, new ones are accepted, and neither bytes nor the end of a
// connection get through. The network holds what is sent meanwhile: Restore
// delivers it, so a command that timed out may still be executed then.
func (p *Proxy) Blackhole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isOpen(p.open) {
		p.open = make(chan struct{})
	}
}

// Freeze is a Blackhole for the connections there are now, as when a firewall has
// forgotten them: they stay open, and neither bytes nor their end get through.
// Later connections are as good as ever.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if isOpen(l.open) {
			l.open = make(chan struct{})
		}
	}
}

// Part is a Blackhole for the connections, also later ones, of the client that calls itself
// so in its first request (HELLO … SETNAME name, as go-redis does), as when the network
// parts it alone from the server. All others are as good as ever.
func (p *Proxy) Part(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parted[name] == nil {
		p.parted[name] = make(chan struct{})
	}
}

// Refuse is what a machine does on which nothing listens: new connections are refused
// at once. The current ones are closed on both sides when it returns.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	ln := p.ln
	p.ln = nil
	p.mu.Unlock()
	if ln != nil {
		_ = ln.Close()
	}
	cut(p.current())
}

// Restore ends every fault. Connections that lived through a Blackhole, a Part or a Freeze
// go on, with what was sent meanwhile.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drops, p.only, p.shape = 0, nil, Shape{}
	if !isOpen(p.open) {
		close(p.open)
	}
	for name, gate := range p.parted {
		close(gate)
		delete(p.parted, name)
	}
	for l := range p.links {
		if !isOpen(l.open) {
			close(l.open)
		}
	}
	if p.ln != nil || p.closed {
		return
	}
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Errorf("redistest: restoring the proxy for %s: %v", p.target, err)
		return
	}
	p.ln = ln
	p.serve(ln)
}

// DropReplies loses the next n answers: the request reaches the server and is
// executed, its answer is swallowed and the connection closed on both sides.
// A blocked command's answer counts when it comes, even if the request was sent
// before; so does a message pushed to a subscriber.
//
// With commands, only the answers to those are lost ("XADD", "EVALSHA"; a
// pipeline goes by its first command). Without, it is any answer except to
// HELLO, AUTH, CLIENT and SELECT, so that a client which dials again meets its
// fault in the command it retries and not in its handshake.
//
// A call replaces the one before; n = 0 or Restore ends it.
func (p *Proxy) DropReplies(n int, commands ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drops, p.only = n, commands
}

// Lost is how many answers DropReplies has lost.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Attempts is how many connections clients have made, whether they led to the server or
// not. Those that Refuse kept away are not among them.
func (p *Proxy) Attempts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tried
}

// CutAll closes the current connections on both sides, even those that a Blackhole
// or a Freeze holds, and returns when they are closed. What they hold is lost. New
// ones are welcome.
func (p *Proxy) CutAll() {
	cut(slices.DeleteFunc(p.current(), func(l *link) bool { return l.spared.Load() }))
}

func cut(links []*link) {
	for _, l := range links {
		l.cut()
		<-l.ended
	}
}

// close ends the proxy and returns when its goroutines have.
func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Refuse()
	p.wg.Wait()
}

// serve accepts connections until ln is closed.
func (p *Proxy) serve(ln net.Listener) {
	ctx := p.t.Context()
	p.wg.Go(func() {
		if err := p.accept(ctx, ln); !errors.Is(err, net.ErrClosed) {
			p.t.Errorf("redistest: proxy for %s: %v", p.target, err)
		}
	})
}

// accept returns the error which ended the listener, never nil.
func (p *Proxy) accept(ctx context.Context, ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		l := newLink(p, conn)
		if !p.add(l, ln) {
			_ = conn.Close()
			continue
		}
		p.wg.Go(func() {
			defer p.remove(l)
			l.run(ctx)
		})
	}
}

// add takes in a link that came by way of ln, unless it is too late.
func (p *Proxy) add(l *link, ln net.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ln != ln {
		return false
	}
	p.links[l] = struct{}{}
	p.tried++
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) current() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

// gate is what keeps the link's traffic back, or one that is open.
func (p *Proxy) gate(l *link) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isOpen(l.open) {
		return l.open
	}
	if gate := p.parted[l.name]; gate != nil && l.name != "" {
		return gate
	}
	return p.open
}

// meet notes what the client of a link calls itself.
func (p *Proxy) meet(l *link, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.name = name
}

// loses reports whether the answer to a link's command is to be swallowed, and counts it.
func (p *Proxy) loses(l *link) bool {
	if l.spared.Load() {
		return false
	}
	command := *l.command.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	hit := slices.ContainsFunc(p.only, func(c string) bool { return strings.EqualFold(c, command) })
	if len(p.only) == 0 {
		hit = !isHandshake(command)
	}
	if p.drops <= 0 || !hit {
		return false
	}
	p.drops--
	p.lost++
	return true
}
