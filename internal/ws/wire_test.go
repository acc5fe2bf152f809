package ws

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// taken is a request whose connection is taken over.
type taken struct {
	http.ResponseWriter
	conn net.Conn
}

func (w taken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	early := bufio.NewReader(strings.NewReader("early"))
	_, _ = early.Peek(1)
	return w.conn, bufio.NewReadWriter(early, bufio.NewWriter(io.Discard)), nil
}

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
			got, _, err := (&hijacker{taken{nil, conn}, sess}).Hijack()
			if err != nil || got != net.Conn(sess.wire) || sess.wire.Conn != conn {
				t.Errorf("the connection is %v, %v", got, err)
			}
		}
		if tcp.buffer != want {
			t.Errorf("the kernel is told %d bytes, want %d", tcp.buffer, want)
		}
		s.Close()
	}
}

func TestWhatCameWithTheRequestIsReadFirst(t *testing.T) {
	t.Parallel()
	s := NewServer(&fakeBroker{}, Options{})
	defer s.Close()
	client, conn := net.Pipe()
	defer func() { _ = client.Close() }()
	w, buffer, err := (&hijacker{taken{nil, conn}, &session{server: s}}).Hijack()
	if err != nil || buffer.Reader.Buffered() > 0 {
		t.Fatalf("%d bytes are read already (%v)", buffer.Reader.Buffered(), err)
	}
	go func() { _, _ = client.Write([]byte(" late")) }()
	text := make([]byte, len("early late"))
	if _, err := io.ReadFull(w, text); err != nil || string(text) != "early late" {
		t.Errorf("it reads %q (%v)", text, err)
	}
}
