package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
)

// socket is a client's end of a WebSocket. One goroutine uses it; only close is
// safe for others.
type socket struct {
	conn *websocket.Conn
	out  *corked
	buf  []byte // the last frame, reused
}

// dialSocket connects and waits for the ready frame. The socket ends with ctx.
func dialSocket(ctx context.Context, addr, path string) (*socket, error) {
	s := &socket{}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, addr)
		s.out = &corked{Conn: conn}
		return s.out, err
	}}
	options := &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}}
	conn, answer, err := websocket.Dial(ctx, "ws://"+addr+path, options) //nolint:bodyclose // "You never need to close resp.Body yourself."
	if err != nil {
		if answer != nil && answer.Body != nil {
			said, _ := io.ReadAll(answer.Body)
			err = fmt.Errorf("%w: %s", err, said)
		}
		return nil, err
	}
	s.conn = conn
	context.AfterFunc(ctx, s.close) // cheaper than a context for each read
	conn.SetReadLimit(-1)
	frame, err := s.next()
	if err == nil && !bytes.HasPrefix(frame, []byte(`{"type":"ready"`)) {
		err = fmt.Errorf("the first frame is %.300s", frame)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// dialSockets connects n sockets. They end with ctx, also when it fails.
func dialSockets(ctx context.Context, addr, path string, n int) ([]*socket, error) {
	sockets := make([]*socket, n)
	group, dialing := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range sockets {
		group.Go(func() (err error) {
			if dialing.Err() != nil {
				return dialing.Err()
			}
			sockets[i], err = dialSocket(ctx, addr, path)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("connecting %d sockets: %w", n, err)
	}
	return sockets, nil
}

func (s *socket) close() { _ = s.conn.CloseNow() }

// next reads a frame; it is good until the next call.
func (s *socket) next() ([]byte, error) {
	_, r, err := s.conn.Reader(context.Background())
	if err != nil {
		return nil, fmt.Errorf("the socket has ended: %w", err)
	}
	s.buf = s.buf[:0]
	for {
		if len(s.buf) == cap(s.buf) {
			s.buf = append(s.buf, make([]byte, max(len(s.buf), 4<<10))...)[:len(s.buf)]
		}
		n, err := r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if errors.Is(err, io.EOF) {
			return s.buf, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the socket has ended: %w", err)
		}
	}
}

// nextEvents reads a frame of events; any other is an error.
func (s *socket) nextEvents() ([]byte, error) {
	frame, err := s.next()
	if err == nil && !bytes.HasPrefix(frame, []byte(`{"type":"events"`)) {
		return nil, fmt.Errorf("an unexpected frame came: %.300s", frame)
	}
	return frame, err
}

func (s *socket) send(frame []byte) error {
	return s.conn.Write(context.Background(), websocket.MessageText, frame)
}

// corked is a connection that can gather what is written, so that many small
// frames cost one system call, as they do in a client that is busy. Its writer's
// goroutine corks and uncorks it.
type corked struct {
	net.Conn
	on  bool
	buf []byte
}

func (c *corked) cork() { c.on = true }

func (c *corked) uncork() error {
	c.on = false
	_, err := c.Conn.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}

func (c *corked) Write(p []byte) (int, error) {
	if !c.on {
		return c.Conn.Write(p)
	}
	c.buf = append(c.buf, p...)
	return len(p), nil
}
