package ws

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/certtest"
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
		tcp, under, pipe := &kernelConn{}, &kernelConn{}, net.Conn(struct{ net.Conn }{})
		for _, conn := range []net.Conn{tcp, tls.Server(under, nil), pipe} {
			sess := &session{server: s}
			got, _, err := (&hijacker{taken{nil, conn}, sess}).Hijack()
			if err != nil || got != net.Conn(sess.wire) || sess.wire.Conn != conn {
				t.Errorf("the connection is %v, %v", got, err)
			}
		}
		if tcp.buffer != want || under.buffer != want {
			t.Errorf("the kernel is told %d bytes, and %d under TLS; want %d", tcp.buffer, under.buffer, want)
		}
		s.Close()
	}
}

func TestSocketOverTLSIsCutWithoutWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		authority := certtest.NewAuthority(t)
		pair, err := tls.X509KeyPair(authority.Issue(1, time.Now().Add(time.Hour)))
		if err != nil {
			t.Fatal(err)
		}
		far, near := net.Pipe() // a write to it waits for a reader
		server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: tls.VersionTLS12, SessionTicketsDisabled: true})
		client := tls.Client(far, &tls.Config{RootCAs: authority.Pool(), ServerName: certtest.Host, MaxVersion: tls.VersionTLS12})
		shaken := make(chan error, 1)
		go func() { shaken <- client.Handshake() }()
		if err := errors.Join(server.Handshake(), <-shaken); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		newWire(server).cut()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %s", took)
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the connection is not closed: %v", err)
		}
	})
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

func TestNoDataFollowsTheCloseFrame(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	w := newWire(conn)
	if n, held, err := w.try([]byte("data")); n != 4 || held || err != nil {
		t.Fatalf("%d bytes were written (held %t, %v)", n, held, err)
	}
	if _, err := w.Write([]byte{finalClose, 0}); err != nil {
		t.Fatal(err)
	}
	if n, held, err := w.try([]byte("data")); n != 0 || held || !errors.Is(err, net.ErrClosed) {
		t.Errorf("%d bytes were written behind it (held %t, %v)", n, held, err)
	}
	if err := w.write([]byte("data"), false, func() {}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("what waited for it was written (%v)", err)
	}
}

func TestWhatTheConnectionDoesNotTakeIsLeft(t *testing.T) {
	t.Parallel()
	client, conn := net.Pipe() // is not the kernel's
	defer func() { _ = client.Close() }()
	if n, held, err := newWire(conn).try([]byte("data")); n != 0 || held || err != nil {
		t.Errorf("%d bytes were written (held %t, %v)", n, held, err)
	}
}
