package http_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"eventhub/internal/auth"

	"eventhub/internal/hub"
)

// timedConn counts how often it is given a deadline.
type timedConn struct {
	net.Conn
	set atomic.Int64
}

func (c *timedConn) SetReadDeadline(t time.Time) error {
	c.set.Add(1)
	return c.Conn.SetReadDeadline(t)
}

func (c *timedConn) SetWriteDeadline(t time.Time) error {
	c.set.Add(1)
	return c.Conn.SetWriteDeadline(t)
}

// overConn has a test speak to the edge over a connection, in fake time.
func overConn(t *testing.T, test func(t *testing.T, e *edge, client net.Conn, server *timedConn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		pipes := newPipes()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.server.Run(ctx, pipes, time.Second, func(context.Context) {}) }()
		client, server := net.Pipe()
		timed := &timedConn{Conn: server}
		pipes.conns <- timed
		test(t, e, client, timed)
		_ = client.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

const publishHead = "POST /v1/streams/orders/events HTTP/1.1\r\nHost: hub\r\nContent-Length: 10\r\n\r\n"

// post publishes over a connection, and reads the answer.
func post(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, publishHead+`{"data":1}`); err != nil {
		t.Fatal(err)
	}
	a, err := nethttp.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || a.StatusCode != nethttp.StatusCreated {
		t.Fatalf("the answer to a publish is %v (%v)", a, err)
	}
	_, _ = io.Copy(io.Discard, a.Body)
	_ = a.Body.Close()
}

// publishLikeRedis takes a while, in which net/http looks for the client to leave.
func publishLikeRedis(context.Context, hub.Publication) (hub.Published, error) {
	time.Sleep(time.Millisecond)
	return hub.Published{IDs: []hub.ID{{MS: 1}}}, nil
}

func TestRequestsOfOneConnectionShareDeadlines(t *testing.T) {
	t.Parallel()
	overConn(t, func(t *testing.T, e *edge, client net.Conn, server *timedConn) {
		e.broker.publish = publishLikeRedis
		post(t, client)
		synctest.Wait()
		before := server.set.Load()
		for range 20 {
			time.Sleep(10 * time.Millisecond)
			post(t, client)
			synctest.Wait()
		}
		if n := server.set.Load() - before; n != 0 {
			t.Errorf("20 requests within 0.2 s set %d deadlines", n)
		}
	})
}

// hangsUp reads until the server closes the connection, and tells when that was.
func hangsUp(t *testing.T, client net.Conn) (after time.Duration) {
	t.Helper()
	began := time.Now()
	if _, err := io.Copy(io.Discard, client); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func TestSlowClientIsLetGo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sent  string
		least, most time.Duration
	}{
		{"that sends nothing more", "", 116 * time.Second, 2 * time.Minute},
		{"in mid-header", "POST /v1/", 4840 * time.Millisecond, 5 * time.Second},
		{"in mid-body", publishHead + `{"da`, 29 * time.Second, 30 * time.Second},
	} {
		// What a request leaves of its deadlines, the next may keep: how far they are
		// apart, and how many there were, must not add up.
		for _, apart := range []time.Duration{0, time.Second, 3700 * time.Millisecond, 7 * time.Second, 29 * time.Second, 110 * time.Second} {
			for _, requests := range []int{1, 2, 40} {
				t.Run(fmt.Sprintf("%s, after %d requests %s apart", c.name, requests, apart), func(t *testing.T) {
					t.Parallel()
					overConn(t, func(t *testing.T, e *edge, client net.Conn, _ *timedConn) {
						e.broker.publish = publishLikeRedis
						post(t, client)
						for range requests - 1 {
							time.Sleep(apart)
							post(t, client)
						}
						if c.sent != "" {
							time.Sleep(apart)
							if _, err := io.WriteString(client, c.sent); err != nil {
								t.Fatal(err)
							}
						}
						if took := hangsUp(t, client); took < c.least || took > c.most {
							t.Errorf("it was let go after %s, want %s to %s", took, c.least, c.most)
						}
					})
				})
			}
		}
	}
}

// TestSocketGetsTheConnectionItself: only what is the kernel's by its type can be written
// to without a wait. A socket has time limits of its own, so none of a request's are left.
func TestSocketGetsTheConnectionItself(t *testing.T) {
	t.Parallel()
	overConn(t, func(t *testing.T, e *edge, client net.Conn, server *timedConn) {
		e.socket = func(w nethttp.ResponseWriter, _ *nethttp.Request, _ *auth.Principal) error {
			conn, _, err := w.(nethttp.Hijacker).Hijack()
			if err != nil {
				return err
			}
			defer conn.Close()
			if conn != net.Conn(server) {
				t.Errorf("the socket gets a %T, want the listener's own", conn)
			}
			_, err = io.Copy(server, server) // which has no deadlines around it
			return err
		}
		post(t, client)
		if _, err := io.WriteString(client, "GET /v1/broadcast/ws HTTP/1.1\r\nHost: hub\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(time.Hour)
		if _, err := io.WriteString(client, "hello"); err != nil {
			t.Fatalf("an hour later it is not read: %v", err)
		}
		got := make([]byte, len("hello"))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello" {
			t.Errorf("an hour later it answers %q (%v)", got, err)
		}
	})
}

func TestClientThatTakesNoAnswerIsLetGo(t *testing.T) {
	t.Parallel()
	overConn(t, func(t *testing.T, _ *edge, client net.Conn, server *timedConn) {
		post(t, client)
		time.Sleep(time.Second)
		if _, err := io.WriteString(client, publishHead+`{"data":1}`); err != nil {
			t.Fatal(err)
		}
		time.Sleep(41 * time.Second) // a write to a pipe waits for its reader
		synctest.Wait()
		if _, err := server.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("40 s after the request the connection is still open: %v", err)
		}
	})
}

func TestClientThatLeavesEndsItsPull(t *testing.T) {
	t.Parallel()
	overConn(t, func(t *testing.T, e *edge, client net.Conn, _ *timedConn) {
		var ended error
		e.broker.pull = func(ctx context.Context, _ hub.ConsumerSpec, _ int, _ time.Duration) ([]hub.Event, func(), error) {
			<-ctx.Done()
			ended = ctx.Err()
			return nil, func() {}, ctx.Err()
		}
		post(t, client) // which is not watched
		body := `{"wait":"20s"}`
		if _, err := fmt.Fprintf(client, "POST /v1/sinks/billing/pull HTTP/1.1\r\nHost: hub\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = client.Close()
		synctest.Wait()
		if ended == nil {
			t.Error("the pull goes on though its client has left")
		}
	})
}

func TestClientThatLeavesDoesNotStopItsPublish(t *testing.T) {
	t.Parallel()
	overConn(t, func(t *testing.T, e *edge, client net.Conn, _ *timedConn) {
		store, stored := make(chan struct{}), make(chan error, 1)
		e.broker.publish = func(ctx context.Context, _ hub.Publication) (hub.Published, error) {
			<-store
			stored <- ctx.Err()
			return hub.Published{IDs: []hub.ID{{MS: 1}}}, nil
		}
		if _, err := io.WriteString(client, publishHead+`{"data":1}`); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = client.Close()
		synctest.Wait()
		close(store)
		if err := <-stored; err != nil {
			t.Errorf("its context has ended: %v", err)
		}
	})
}

func TestHeadersAreBounded(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{60 << 10: nethttp.StatusOK, 80 << 10: nethttp.StatusRequestHeaderFieldsTooLarge} {
		overConn(t, func(t *testing.T, _ *edge, client net.Conn, _ *timedConn) {
			go func() { // which the end of the connection ends
				_, _ = io.WriteString(client, "GET /livez HTTP/1.1\r\nHost: hub\r\nCursor: "+strings.Repeat("x", size)+"\r\n\r\n")
			}()
			a, err := nethttp.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _ = a.Body.Close(); a.StatusCode != want {
				t.Errorf("a header of %d bytes is answered %s, want %d", size, a.Status, want)
			}
		})
	}
}
