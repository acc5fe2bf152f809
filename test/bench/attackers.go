package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// attackers are clients that send a byte a second, for as long as the hub lets them.
type attackers struct {
	addr  string
	conns []net.Conn // owned by who connects them

	headers, drips sync.WaitGroup // those whose connection is open

	mu                   sync.Mutex // protects the fields below
	lastHeader, lastDrip time.Duration
	ends                 map[string]int
}

// leave ends all that are left, and waits for them.
func (a *attackers) leave() {
	for _, conn := range a.conns {
		_ = conn.Close()
	}
	a.headers.Wait()
	a.drips.Wait()
}

// slowloris opens connections whose header never ends.
func (a *attackers) slowloris(ctx context.Context, n int) error {
	for range n {
		conn, err := a.dial(ctx, "POST /v1/streams/slow/events HTTP/1.1\r\nHost: "+a.addr+"\r\n")
		if err != nil {
			return fmt.Errorf("connecting %d slow clients: %w", n, err)
		}
		a.headers.Go(func() {
			took := trickle(conn, "X-Header: value\r\n", func() { _, _ = io.Copy(io.Discard, conn) })
			a.mu.Lock()
			defer a.mu.Unlock()
			a.lastHeader = max(a.lastHeader, took)
		})
	}
	return nil
}

// drip opens WebSockets, each with a message that never ends.
func (a *attackers) drip(ctx context.Context, n int) error {
	a.ends = map[string]int{}
	for range n {
		conn, err := a.dial(ctx, "GET /v1/broadcast/ws?channel=drip HTTP/1.1\r\nHost: "+a.addr+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if err != nil {
			return fmt.Errorf("connecting %d dripping sockets: %w", n, err)
		}
		lines := bufio.NewReader(conn)
		answer, err := http.ReadResponse(lines, nil) //nolint:bodyclose // an upgrade has none
		if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
			return fmt.Errorf("a dripping socket was not let in: %w", err)
		}
		if _, err := conn.Write([]byte{0x81, 0x80 | 126, 0xff, 0xff}); err != nil { // a text of 65,535 bytes
			return err
		}
		a.drips.Go(func() {
			end := "without a close frame"
			took := trickle(conn, " ", func() {
				if code := closeCode(lines); code != 0 {
					end = fmt.Sprint("close ", code)
				}
			})
			a.mu.Lock()
			defer a.mu.Unlock()
			a.lastDrip = max(a.lastDrip, took)
			a.ends[end]++
		})
	}
	return nil
}

// dial connects and sends how it begins.
func (a *attackers) dial(ctx context.Context, first string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", a.addr)
	if err != nil {
		return nil, err
	}
	a.conns = append(a.conns, conn)
	_ = conn.SetDeadline(time.Now().Add(2 * messageLimit))
	_, err = io.WriteString(conn, first)
	return conn, err
}

// trickle writes a byte of the text each second until read returns, which reads to the
// end, and says how long that took.
func trickle(conn net.Conn, text string, read func()) time.Duration {
	began := time.Now()
	ended := make(chan struct{})
	go func() { // ends with the connection, which this waits for
		defer close(ended)
		read()
	}()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for i := 0; ; i++ {
		select {
		case <-ended:
			_ = conn.Close()
			return time.Since(began)
		case <-beat.C:
			_, _ = io.WriteString(conn, text[i%len(text):i%len(text)+1]) // an error is the end, which is read
		}
	}
}

// closeCode reads frames up to a close frame, and returns its code; 0: there was none.
func closeCode(r io.Reader) int {
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0
		}
		size := int(head[1])
		if size == 126 {
			var long [2]byte
			if _, err := io.ReadFull(r, long[:]); err != nil {
				return 0
			}
			size = int(long[0])<<8 | int(long[1])
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(r, payload); err != nil {
			return 0
		}
		if head[0]&0x0f == 8 && size >= 2 {
			return int(payload[0])<<8 | int(payload[1])
		}
	}
}
