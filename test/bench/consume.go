package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// acking is how a consumer acknowledges a frame of events.
type acking func(s *socket, ids [][]byte) error

// ackFrames acknowledges a frame of events by one frame.
func ackFrames(s *socket, ids [][]byte) error { return s.send(appendAck(nil, ids...)) }

// ackEvents acknowledges every event by a frame of its own, written back to
// back.
func ackEvents(s *socket, ids [][]byte) error {
	s.out.cork()
	var frame []byte
	for _, id := range ids {
		frame = appendAck(frame[:0], id)
		if err := s.send(frame); err != nil {
			return err
		}
	}
	return s.out.uncork()
}

func appendAck(dst []byte, ids ...[]byte) []byte {
	dst = append(dst, `{"type":"ack","ids":["`...)
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, `","`...)
		}
		dst = append(dst, id...)
	}
	return append(dst, `"]}`...)
}

// consume has a sink deliver a backlog, from the first consumer's connecting
// until Redis owes nothing any more.
func consume(consumers int, ack acking) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		b, err := r.fill(ctx, r.next("backlog"), r.opts.backlog)
		if err != nil {
			return sample{}, err
		}
		sink, t := r.next("sink"), newTally(b)
		before := r.mark(r.pids(), 0)
		if err := r.drain(ctx, sink, t, consumers, ack); err != nil {
			return sample{}, errors.Join(err, t.check())
		}
		s := r.mark(r.pids(), int64(b.size)).since(before)
		if err := t.check(); err != nil {
			return s, err
		}
		return s, r.db.Del(ctx, r.layout.log(b.stream)).Err()
	}
}

// sinkPath is where a consumer connects.
func sinkPath(sink string, prefetch int, stream string) string {
	query := url.Values{"stream": {stream}, "prefetch": {strconv.Itoa(prefetch)}}
	return "/v1/sinks/" + sink + "/ws?" + query.Encode()
}

// drain connects the consumers and returns once everything is acknowledged.
func (r *rig) drain(ctx context.Context, sink string, t *tally, consumers int, ack acking) error {
	path := sinkPath(sink, r.opts.prefetch, t.stream) + "&from=oldest"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	var settled atomic.Bool
	group.Go(func() error {
		defer cancel() // ends the sockets
		err := r.settle(ctx, sink, t)
		settled.Store(err == nil)
		return err
	})
	for i := range consumers {
		group.Go(func() error {
			err := serve(ctx, r.addrs[i%len(r.addrs)], path, t, ack)
			if settled.Load() {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// serve is one consumer. It ends with ctx, or when its socket does.
func serve(ctx context.Context, addr, path string, t *tally, ack acking) error {
	s, err := dialSocket(ctx, addr, path)
	if err != nil {
		return err
	}
	defer s.close()
	var ids [][]byte
	for {
		frame, err := s.nextEvents()
		if err != nil {
			return err
		}
		ids = ids[:0]
		eachID(frame, func(id []byte) {
			t.mark(id)
			ids = append(ids, id)
		})
		if err := ack(s, ids); err != nil {
			return err
		}
	}
}

// settle waits until every event has come and the hub says that none is owed, or until
// enough have come where those are not all.
func (r *rig) settle(ctx context.Context, sink string, t *tally) error {
	const look = 2 * time.Millisecond
	for !t.complete() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not all events came: %w", context.Cause(ctx))
		case <-time.After(look):
		}
	}
	if t.enough < int64(t.size) {
		return nil
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		lag, pending, err := r.owed(ctx, sink)
		switch {
		case err != nil:
			return err
		case lag == 0 && pending == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("every event came and was acknowledged, but after 10 s the sink still has %d pending and a lag of %d", pending, lag)
		}
		time.Sleep(look)
	}
}
