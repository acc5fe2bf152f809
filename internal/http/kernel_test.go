package http_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// kernelConn is a connection of the kernel's.
type kernelConn struct {
	net.Conn
	buffer int
}

func (c *kernelConn) SetWriteBuffer(bytes int) error {
	c.buffer = bytes
	return nil
}

func TestKernelKeepsLittleOfAnEventStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		e.server = http.NewServer(http.Options{Broker: e.broker, SendBuffer: 5000})
		e.broker.give(newFakeReader())
		e.broker.subscribe = func(context.Context, hub.BroadcastSpec) (hub.Subscription, error) { return newFakeSubscription(), nil }
		pipes := newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.server.Run(ctx, pipes, time.Second, func(context.Context) {}) }()
		for path, want := range map[string]int{readerPath: 5000, broadcastPath: 5000, "/livez": 0} {
			client, server := net.Pipe()
			conn := &kernelConn{Conn: server}
			pipes.conns <- conn
			ask(t, client, path, "1.1")
			synctest.Wait()
			if conn.buffer != want {
				t.Errorf("%s: the kernel is told %d bytes, want %d", path, conn.buffer, want)
			}
			_ = client.Close()
		}
		synctest.Wait()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
