package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// live is consumers that take what is published at a fixed rate, and acknowledge it.
type live struct {
	rig       *rig
	sockets   []*socket
	came      atomic.Int64
	failed    chan error // one slot: the first consumer's failure
	consuming sync.WaitGroup
}

func newLive(r *rig) *live { return &live{rig: r, failed: make(chan error, 1)} }

// consume connects a consumer, which stays until close.
func (l *live) consume(ctx context.Context, addr, path string) error {
	s, err := dialSocket(ctx, addr, path)
	if err != nil {
		return err
	}
	l.sockets = append(l.sockets, s)
	l.consuming.Go(func() {
		select {
		case l.failed <- l.serve(s): // ignored once it is closed
		default:
		}
	})
	return nil
}

func (l *live) serve(s *socket) error {
	var ids [][]byte
	for {
		frame, err := s.nextEvents()
		if err != nil {
			return err
		}
		ids = ids[:0]
		eachID(frame, func(id []byte) { ids = append(ids, id) })
		if err := ackFrames(s, ids); err != nil {
			return err
		}
		l.came.Add(int64(len(ids)))
	}
}

func (l *live) close() {
	for _, s := range l.sockets {
		s.close()
	}
	l.consuming.Wait()
}

// run publishes to the streams in turn, so many events a second, each of which is to
// come so many times.
func (l *live) run(ctx context.Context, streams []string, rate, times int) (sample, error) {
	var paths []string
	for _, stream := range streams {
		paths = append(paths, eventsPath(stream))
	}
	p, err := newPoster(ctx, l.rig.addrs, paths, eventBody(0), http.StatusCreated)
	if err != nil {
		return sample{}, err
	}
	defer p.close()
	if err := l.send(ctx, p, rate, times, warmUp); err != nil {
		return sample{}, err
	}
	before := l.rig.mark(l.rig.pids(), l.came.Load())
	if err := l.send(ctx, p, rate, times, l.rig.opts.duration); err != nil {
		return sample{}, err
	}
	return l.rig.mark(l.rig.pids(), l.came.Load()).since(before), nil
}

// send publishes for a while, and waits until all has come, and no more.
func (l *live) send(ctx context.Context, p *poster, rate, times int, d time.Duration) error {
	pace := schedule{start: time.Now(), every: time.Second / time.Duration(rate)}
	total := max(int(d/pace.every), 1)
	want := l.came.Load() + int64(total*times)
	if err := pace.keep(total, p.send); err != nil {
		return err
	}
	deadline := time.After(15 * time.Second)
	for l.came.Load() < want {
		select {
		case err := <-l.failed:
			return err
		case <-deadline:
			return fmt.Errorf("%d deliveries are missing", want-l.came.Load())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	if l.came.Load() > want {
		return errors.New("events came twice")
	}
	return nil
}
