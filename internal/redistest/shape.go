package redistest

import (
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

// A Shape is a network that is slow or bad, and not gone. The zero value is a good one.
type Shape struct {
	Latency        time.Duration // of each piece, one way
	Jitter         time.Duration // at most so much more or less
	Slice          int           // most bytes of a piece; 0: as they come
	BytesPerSecond int           // of each connection, one way; 0: no bound
	ResetEvery     int           // one piece in so many ends its connection; 0: none does
}

// errReset is how a link ends that its Shape has reset.
var errReset = errors.New("reset by the proxy")

// SetShape slows all traffic from now on; Restore, or the zero Shape, ends it.
func (p *Proxy) SetShape(s Shape) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shape = s
}

// Shaped is how many pieces were slowed or cut, and how many connections were reset.
func (p *Proxy) Shaped() (pieces, resets int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shaped, p.resets
}

// write forwards bytes as the proxy's shape says.
func (l *link) write(dst net.Conn, b []byte) error {
	for len(b) > 0 {
		s, reset := l.proxy.next(l)
		if reset {
			for _, conn := range []net.Conn{dst, l.client} {
				if tcp, ok := conn.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0) // the other side sees a reset, and what is on its way is lost
				}
			}
			return errReset
		}
		piece := b
		if s.Slice > 0 {
			piece = b[:min(s.Slice, len(b))]
		}
		if !l.hold(s, len(piece)) {
			return net.ErrClosed
		}
		if _, err := dst.Write(piece); err != nil {
			return err
		}
		b = b[len(piece):]
	}
	return nil
}

// next is how the next piece of a link travels.
func (p *Proxy) next(l *link) (s Shape, reset bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s = p.shape
	if s == (Shape{}) || l.spared.Load() {
		return Shape{}, false
	}
	p.shaped++
	if reset = s.ResetEvery > 0 && rand.IntN(s.ResetEvery) == 0; reset {
		p.resets++
	}
	return s, reset
}

// hold waits as long as a piece takes. It returns false when the link is cut meanwhile.
func (l *link) hold(s Shape, bytes int) bool {
	wait := s.Latency
	if s.Jitter > 0 {
		wait += rand.N(2*s.Jitter) - s.Jitter
	}
	if s.BytesPerSecond > 0 {
		wait += time.Duration(bytes) * time.Second / time.Duration(s.BytesPerSecond)
	}
	if wait <= 0 {
		return true
	}
	select {
	case <-l.done:
		return false
	case <-time.After(wait):
		return true
	}
}
