package http

import (
	"context"
	"net"
)

// connKey is the key of a request's connection in its context.
type connKey struct{}

func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// boundSendBuffer bounds what the kernel keeps for a client that does not read, where
// the request's connection is the kernel's.
func boundSendBuffer(ctx context.Context, bytes int) {
	if kernel, ok := ctx.Value(connKey{}).(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = kernel.SetWriteBuffer(bytes) // fails on a closed connection only
	}
}
