package ws

import (
	"bufio"
	"net"
	"net/http"
	"testing"
)

// taken is a request whose connection is taken over.
type taken struct {
	http.ResponseWriter
	conn net.Conn
}

func (w taken) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.conn, nil, nil }

// kernelConn is a connection of the kernel's.
type kernelConn struct {
	net.Conn
	buffer int
}

func (c *kernelConn) SetWriteBuffer(bytes int) error {
	c.buffer = bytes
	return nil
}

func TestKernelKeepsLittleOfASocket(t *testing.T) {
	t.Parallel()
	for given, want := range map[int]int{0: 128 << 10, 5000: 5000} {
		s := NewServer(&fakeBroker{}, Options{SendBuffer: given})
		tcp, pipe := &kernelConn{}, net.Conn(struct{ net.Conn }{})
		for _, conn := range []net.Conn{tcp, pipe} { // TLS has no such buffer of its own
			sess := &session{server: s}
			if got, _, err := (&hijacker{taken{nil, conn}, sess}).Hijack(); got != conn || sess.raw != conn || err != nil {
				t.Errorf("the connection is %v, %v", got, err)
			}
		}
		if tcp.buffer != want {
			t.Errorf("the kernel is told %d bytes, want %d", tcp.buffer, want)
		}
		s.Close()
	}
}
