package ws

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
)

// wire is the connection under a WebSocket. coder/websocket has the handshake, the
// reading and the close; all other frames a session writes by itself, several at once.
// With TLS nothing can be written without waiting: try writes nothing then.
type wire struct {
	net.Conn
	kernel net.Conn // what is beneath, where Conn is TLS; else the same
	early  []byte   // of the client's, read with its request
	watch  watch    // of what is read
	idle   func()   // called before a Read that may wait, where it is set; set before the first

	mu     sync.Mutex // held while whole frames are written: protects the fields below
	closed bool       // the close frame was written: no data follows (RFC 6455, §5.5.1)

	// What one attempt to write works on; made once, as it would else be garbage.
	raw     syscall.RawConn // nil where the connection is not the kernel's
	attempt func(fd uintptr) (done bool)
	frames  []byte
	written int
	err     error
}

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, kernel: beneath(conn)}
	if kernel, ok := conn.(syscall.Conn); ok && canWriteOnce {
		w.raw, _ = kernel.SyscallConn() // fails on a closed connection only
	}
	w.attempt = func(fd uintptr) bool {
		w.written, w.err = writeOnce(fd, w.frames)
		return true // whatever has come of it: who calls does not wait
	}
	return w
}

// beneath is the connection at the bottom of those that wrap one another, as crypto/tls
// does.
func beneath(conn net.Conn) net.Conn {
	for {
		wrapper, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = wrapper.NetConn()
	}
}

// cut ends the connection without waiting: TLS would say goodbye first, for up to 5 s
// to a peer that takes nothing.
func (w *wire) cut() { _ = w.kernel.Close() }

// try writes as much of frames as the connection takes at once. Where that is not
// all, held tells that nobody else may write before the rest.
func (w *wire) try(frames []byte) (n int, held bool, err error) {
	if len(frames) == 0 || w.raw == nil || !w.mu.TryLock() {
		return 0, false, nil
	}
	if w.closed {
		w.mu.Unlock()
		return 0, false, net.ErrClosed
	}
	w.frames = frames
	err = w.raw.Write(w.attempt)
	if err == nil {
		err = w.err
	}
	n = max(w.written, 0)
	w.frames, w.written, w.err = nil, 0, nil
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		n = 0
	case err != nil:
		w.mu.Unlock()
		return 0, false, err
	}
	if n > 0 && n < len(frames) {
		return n, true, nil
	}
	w.mu.Unlock()
	return n, false, nil
}

// writePiece is how much of what is written shows that the peer takes it.
const writePiece = 64 << 10

// write writes frames, or the rest that try has left, however long it takes. It calls
// begun at each piece.
func (w *wire) write(frames []byte, held bool, begun func()) error {
	begun()
	if !held {
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	for piece := range slices.Chunk(frames, writePiece) {
		begun()
		if _, err := w.Conn.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// Read implements io.Reader.
func (w *wire) Read(p []byte) (n int, err error) {
	if len(w.early) > 0 {
		n = copy(p, w.early)
		w.early = w.early[n:]
	} else {
		if w.idle != nil {
			w.idle()
		}
		w.watch.wait()
		n, err = w.Conn.Read(p)
	}
	w.watch.see(p[:n])
	return n, err
}

// Write implements io.Writer. It is given whole frames: a control frame fits into
// coder/websocket's buffer, which is flushed once it is complete.
func (w *wire) Write(frames []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = w.closed || frames[0] == finalClose
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
	w := newWire(conn)
	if kernel, ok := w.kernel.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = kernel.SetWriteBuffer(h.session.server.opts.SendBuffer) // fails on a closed connection only
	}
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
