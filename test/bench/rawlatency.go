package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// latencyOfRedis goes from XADD to a blocking XREAD of go-redis: what a program
// without a hub between could have.
func latencyOfRedis(ctx context.Context, r *rig) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := r.next("timed")
	a, err := newAdder(ctx, r, stream)
	if err != nil {
		return sample{}, err
	}
	defer a.close()
	t := newTiming(r.opts)
	return t.run(r, noServer, cancel, a.send, func() error {
		last := "0"
		for !t.complete() && ctx.Err() == nil {
			const patience = time.Second // a blocked read does not hear of ctx
			read, err := r.db.XRead(ctx, &redis.XReadArgs{Streams: []string{r.layout.log(stream), last}, Count: rawRead, Block: patience}).Result()
			if errors.Is(err, redis.Nil) {
				continue
			}
			if err != nil {
				return err
			}
			for _, message := range read[0].Messages {
				last = message.ID
				if err := t.record(payload(message)); err != nil {
					return err
				}
			}
		}
		return ctx.Err()
	})
}

// payload is an entry in the form that the numbers of events are found in.
func payload(message redis.XMessage) []byte {
	for _, value := range message.Values {
		if text, _ := value.(string); strings.HasPrefix(text, numberHead) {
			return []byte(`"data":` + text)
		}
	}
	return nil
}

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
