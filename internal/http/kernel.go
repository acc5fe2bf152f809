package http

import "net/http"

// boundSendBuffer bounds what the kernel keeps for a client that does not read, where
// the request's connection is the kernel's.
func boundSendBuffer(r *http.Request, bytes int) {
	c := connOf(r)
	if c == nil {
		return
	}
	if kernel, ok := c.Conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = kernel.SetWriteBuffer(bytes) // fails on a closed connection only
	}
}
