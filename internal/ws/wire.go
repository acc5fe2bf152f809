package ws

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"sync"
)

// wire is the connection under a WebSocket. coder/websocket has the handshake, the
// reading, pings, pongs and the close; data frames a session writes by itself, several
// at once.
type wire struct {
	net.Conn
	early []byte // of the client's, read with its request

	mu sync.Mutex // held while whole frames are written
}

// Read implements io.Reader.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.early) > 0 {
		n := copy(p, w.early)
		w.early = w.early[n:]
		return n, nil
	}
	return w.Conn.Read(p)
}

// Write implements io.Writer. It is given whole frames: a control frame fits into
// coder/websocket's buffer, which is flushed once it is complete.
func (w *wire) Write(frames []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Conn.Write(frames)
}

// Sizes of coder/websocket's buffers, in place of net/http's 4 KiB each: there are
// many sockets, and most are idle.
const (
	controlBytes = 256 // one control frame has 127 at most
	readBytes    = 1 << 10
	sinkBytes    = 4 << 10 // acks come in crowds
)

// hijacker gives a session the connection under its WebSocket. Closing that is
// the only way to end a socket at once: coder/websocket's CloseNow waits for a
// Close that is under way, which may take 10 s.
type hijacker struct {
	http.ResponseWriter
	session *session
}

// Hijack implements http.Hijacker. It bounds what the kernel keeps for a client that
// does not read, where the connection is the kernel's.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffer, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if kernel, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = kernel.SetWriteBuffer(h.session.server.opts.SendBuffer) // fails on a closed connection only
	}
	w := &wire{Conn: conn}
	if early, _ := buffer.Reader.Peek(buffer.Reader.Buffered()); len(early) > 0 {
		w.early = slices.Clone(early)
	}
	h.session.mu.Lock()
	h.session.wire = w
	h.session.mu.Unlock()
	size := readBytes
	if h.session.role == roleSink {
		size = sinkBytes
	}
	return w, bufio.NewReadWriter(bufio.NewReaderSize(w, size), bufio.NewWriterSize(w, controlBytes)), nil
}
