package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// adder is what poster is, for Redis itself: XADD as it goes over the wire.
type adder struct {
	conn    net.Conn
	request *template
	failed  chan error // one slot
	reading sync.WaitGroup
}

func newAdder(ctx context.Context, r *rig, stream string) (*adder, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", r.db.Options().Addr)
	if err != nil {
		return nil, err
	}
	a := &adder{conn: conn, request: newTemplate(appendRESP(nil, r.layout.add(ctx, stream, "*").Args())), failed: make(chan error, 1)}
	a.reading.Go(a.read)
	return a, nil
}

func (a *adder) send(n int) error {
	select {
	case err := <-a.failed:
		return err
	default:
		_, err := a.conn.Write(a.request.of(n))
		return err
	}
}

// read throws the ids away, and finds errors.
func (a *adder) read() {
	buf := make([]byte, 4<<10)
	for {
		n, err := a.conn.Read(buf)
		if err == nil && buf[0] == '-' {
			err = fmt.Errorf("XADD answered %.300s", buf[:n])
		}
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				a.failed <- err
			}
			return
		}
	}
}

func (a *adder) close() {
	_ = a.conn.Close()
	a.reading.Wait()
}

// appendRESP writes a command as an array of bulk strings.
func appendRESP(dst []byte, args []any) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(args))
	for _, arg := range args {
		text := fmt.Sprint(arg)
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(text), text)
	}
	return dst
}
