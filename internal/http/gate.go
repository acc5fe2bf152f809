package http

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// Bounds of what refusing a connection may take. Who comes while so many are told is
// just closed.
const (
	refusalsAtOnce = 128
	refusalLimit   = time.Second
	refusalReads   = 64 << 10 // bytes of a request that nobody wants
)

// gate is a listener that refuses connections beyond its bounds, of all kinds, before
// anything is read from them. The loop that accepts waits for none of them.
type gate struct {
	net.Listener
	most, mostOfOne int // 0: as many as come
	secure          bool
	limited         func(limit string)

	refusals sync.WaitGroup // waited for by who has Accept called
	slots    chan struct{}  // one for each refusal under way

	mu   sync.Mutex // protects the fields below
	open int
	from map[netip.Prefix]int // only while mostOfOne is set
}

func newGate(on net.Listener, opts *Options) *gate {
	return &gate{
		Listener: on, most: opts.MaxConnections, mostOfOne: opts.MaxConnectionsPerAddress, secure: opts.Certificate != nil,
		limited: opts.Limited, slots: make(chan struct{}, refusalsAtOnce), from: map[netip.Prefix]int{},
	}
}

// Accept returns the next connection that may come in.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		kernel, ok := c.(*net.TCPConn)
		if !ok {
			return c, nil // a test's
		}
		address := neighbourhood(c.RemoteAddr())
		refusal := g.enter(address)
		if refusal == nil {
			return &counted{TCPConn: kernel, gate: g, address: address}, nil
		}
		g.refuse(kernel, refusal)
	}
}

// neighbourhood is that of who has connected.
func neighbourhood(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return auth.Neighbourhood(tcp.AddrPort().Addr())
}

// enter counts a connection, or says why it may not come in.
func (g *gate) enter(address netip.Prefix) *hub.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.most > 0 && g.open >= g.most:
		return &hub.Error{Code: hub.CodeUnavailable, Detail: "this hub has as many connections as it takes (HUB_MAX_CONNECTIONS)"}
	case g.mostOfOne > 0 && g.from[address] >= g.mostOfOne:
		return &hub.Error{Code: hub.CodeRateLimited, Detail: "there are as many connections from this address as this hub takes (HUB_MAX_CONNECTIONS_PER_ADDRESS)"}
	}
	g.open++
	if g.mostOfOne > 0 {
		g.from[address]++
	}
	return nil
}

func (g *gate) leave(address netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.mostOfOne == 0 {
		return
	}
	if g.from[address]--; g.from[address] == 0 {
		delete(g.from, address)
	}
}

// refuse tells a client why, where it can be told in plain text, and closes.
func (g *gate) refuse(c *net.TCPConn, why *hub.Error) {
	limit := "connections"
	if why.Code == hub.CodeRateLimited {
		limit = "address"
	}
	g.limited(limit)
	if !g.secure {
		select {
		case g.slots <- struct{}{}:
			g.refusals.Go(func() {
				defer func() { <-g.slots }()
				tell(c, why)
			})
			return
		default:
		}
	}
	_ = c.SetLinger(0) // what was not asked for leaves no state behind
	_ = c.Close()
}

// tell writes an answer that no request was read for. Then it takes what comes for a
// moment, as a connection that is closed with something unread loses the answer.
func tell(c *net.TCPConn, why *hub.Error) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(refusalLimit))
	if _, err := c.Write(refusal(why)); err != nil {
		return
	}
	_ = c.CloseWrite()
	_, _ = io.CopyN(io.Discard, c, refusalReads)
}

// refusal is a problem as a whole answer.
func refusal(why *hub.Error) []byte {
	id := uuid.NewString()
	status := why.Code.Status()
	body, _ := json.Marshal(newProblem(why, id)) // of strings and numbers: cannot fail
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\nRetry-After: %d\r\nX-Content-Type-Options: nosniff\r\n%s: %s\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(body), 1+rand.IntN(2), requestIDHeader, id, body)
}

// counted is a connection that was let in. It is the kernel's own by what it can, and at
// the bottom of whatever wraps it, so that its end is seen by whomever it is closed.
type counted struct {
	*net.TCPConn
	gate    *gate
	address netip.Prefix
	left    sync.Once
}

func (c *counted) Close() error {
	c.left.Do(func() { c.gate.leave(c.address) })
	return c.TCPConn.Close()
}
