package alloctest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// patience is how long a connection may be used.
const patience = time.Minute

// Client is a connection of a client that allocates nothing once it is in use. One
// goroutine uses it.
type Client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	head [14]byte // of a frame
	buf  []byte   // the last frame that was read
	out  []byte   // the last frame that was sent
}

// Dial connects to host:port until the end of the test.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &Client{t: t, conn: conn, in: bufio.NewReaderSize(conn, 2<<10)}
}

// Post is a request as it goes over the wire.
func Post(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, len(body), body)
}

// Do sends a request and reads its answer, which is a success.
func (c *Client) Do(request []byte) {
	c.Write(request)
	size := c.answer('2')
	if size >= 0 {
		c.discard(size)
		return
	}
	for size != 0 { // chunks, the last of which is empty
		size = number(c.line(), 16)
		c.discard(size + len("\r\n"))
	}
}

// answer reads the head of an answer whose status begins with class, and returns the
// size of its body; -1: it comes in chunks.
func (c *Client) answer(class byte) (size int) {
	if line := c.line(); len(line) < 12 || line[9] != class {
		c.t.Fatalf("answered %q", line)
	}
	for line := c.line(); len(line) > 0; line = c.line() {
		if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			size = number(text, 10)
		} else if bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked")) {
			size = -1
		}
	}
	return size
}

// number reads digits, as strconv would of a string.
func number(text []byte, base int) (n int) {
	for _, digit := range text {
		if digit >= 'a' {
			digit -= 'a' - '9' - 1
		}
		n = base*n + int(digit-'0')
	}
	return n
}

// Await reads lines until one has this text in it.
func (c *Client) Await(text []byte) {
	for !bytes.Contains(c.line(), text) {
	}
}

// line reads a line; it is good until the next call.
func (c *Client) line() []byte {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte{'\r'})
}

func (c *Client) discard(n int) {
	if _, err := c.in.Discard(n); err != nil {
		c.t.Fatal(err)
	}
}

// DialSocket connects a WebSocket until the end of the test, and reads the ready frame.
func DialSocket(t testing.TB, addr, path string) *Client {
	t.Helper()
	c := Dial(t, addr)
	c.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
	c.answer('1')
	if frame := c.Receive(); !bytes.HasPrefix(frame, []byte(`{"type":"ready"`)) {
		t.Fatalf("the first frame is %.300s", frame)
	}
	return c
}

// Receive reads a text frame. It is good until the next call.
func (c *Client) Receive() []byte {
	c.read(c.head[:2])
	size := int(c.head[1])
	switch size {
	case 126:
		c.read(c.head[:2])
		size = int(binary.BigEndian.Uint16(c.head[:2]))
	case 127:
		c.read(c.head[:8])
		size = int(binary.BigEndian.Uint64(c.head[:8]))
	}
	if cap(c.buf) < size {
		c.buf = make([]byte, 2*size)
	}
	c.buf = c.buf[:size]
	c.read(c.buf)
	return c.buf
}

// Send sends a text frame, masked with zeros.
func (c *Client) Send(frame []byte) {
	c.out = c.Append(c.out[:0], frame)
	c.Write(c.out)
}

// Append appends a text frame as Send sends it, for Write to send many at once.
func (*Client) Append(dst, frame []byte) []byte {
	const text, masked = 0x81, 0x80
	switch size := len(frame); {
	case size <= 125:
		dst = append(dst, text, masked|byte(size))
	case size <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, text, masked|126), uint16(size))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, text, masked|127), uint64(size))
	}
	return append(append(dst, 0, 0, 0, 0), frame...)
}

func (c *Client) read(p []byte) {
	if _, err := io.ReadFull(c.in, p); err != nil {
		c.t.Fatal(err)
	}
}

// Write sends bytes as they are, such as what Append has made.
func (c *Client) Write(p []byte) {
	if _, err := c.conn.Write(p); err != nil {
		c.t.Fatal(err)
	}
}
