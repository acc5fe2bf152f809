package ws

import (
	"bufio"
	"net"
	"net/http"
)

// hijacker shows a session the connection under its WebSocket. Closing that is
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
	if err == nil {
		if kernel, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
			_ = kernel.SetWriteBuffer(h.session.server.opts.SendBuffer) // fails on a closed connection only
		}
		h.session.mu.Lock()
		h.session.raw = conn
		h.session.mu.Unlock()
	}
	return conn, buffer, err
}
