package http_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// A publish is not watched, so it is asked whether its client is still there, over a
// connection of the kernel's.
func TestPublishCanTellWhetherItsClientHasLeft(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	publishing, left := make(chan bool, 1), make(chan bool, 1)
	e.broker.publish = func(ctx context.Context, _ hub.Publication) (hub.Published, error) {
		client := hub.ClientOf(ctx)
		if client == nil {
			publishing <- true
			return hub.Published{IDs: []hub.ID{{MS: 1}}}, nil
		}
		publishing <- client.Left()
		deadline := time.Now().Add(patience)
		for !client.Left() && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond) // the kernel sends no signal to who only asks
		}
		left <- client.Left()
		return hub.Published{IDs: []hub.ID{{MS: 1}}}, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.server.Run(ctx, listener, patience, func(context.Context) {}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, publishHead+`{"data":1}`); err != nil {
		t.Fatal(err)
	}
	if <-publishing {
		t.Fatal("a client that waits is said to have left, or cannot be asked")
	}
	_ = client.Close()
	if !<-left {
		t.Error("a client that has left is said to be there")
	}
}
