package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// What a soak does beside visits: one stream with one sink, one channel.
const (
	soakConsumers   = 2
	soakSubscribers = 100
	soakEvents      = 100_000 // that the stream keeps
	soakVisitors    = 9       // at a time, each for a second
)

// work soaks the hub, and makes sure that nothing was lost.
func (s *soak) work(ctx context.Context, r *rig) error {
	events, messages, err := r.fullLoad(ctx)
	if err != nil {
		return fmt.Errorf("finding the full load: %w", err)
	}
	s.Events, s.Messages = max(events/2, 1), max(messages/2, 1)
	// What the full load has left behind must not make the beginning look worse.
	if _, err := r.settled(ctx); err != nil {
		return err
	}
	h := &halfLoad{
		rig: r, stream: r.next("soak"), sink: r.next("sink"), channel: r.next("channel"),
		events: newPaced(s.Events, r.opts.soak), messages: newPaced(s.Messages, r.opts.soak), failed: make(chan error, 1),
	}
	h.seen = make([]atomic.Bool, h.events.total)
	err = h.run(ctx, s)
	s.Visits, s.Again = h.visits.Load(), h.again.Load()
	return err
}

// fullLoad is what the hub can do of both kinds of work at a time.
func (r *rig) fullLoad(ctx context.Context) (events, messages float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, f := r.next("full"), broadcastFeed(r.next("channel"))
	l, a := newLive(r), newAudience(int64(r.opts.window))
	defer l.close()
	defer a.leave(cancel)
	path := sinkPath(r.next("sink"), r.opts.prefetch, stream)
	for range soakConsumers {
		if err := l.consume(ctx, r.addr, path); err != nil {
			return 0, 0, err
		}
	}
	if err := a.join(ctx, r.addr, f.listen, min(soakSubscribers, r.opts.sockets)); err != nil {
		return 0, 0, err
	}
	for range 2 { // the first time is to warm up
		limit, stop := context.WithCancel(ctx)
		timer := time.AfterFunc(r.opts.duration, stop) // a deadline would cut off the last answers
		came, said := l.came.Load(), a.published.Load()
		group, limit := errgroup.WithContext(limit)
		group.Go(func() error {
			return single.run(limit, r.addrs, []string{stream}, http.StatusCreated, new(atomic.Int64))
		})
		group.Go(func() error { return a.address(limit, r.addrs, f) })
		err := group.Wait()
		timer.Stop()
		stop()
		if err != nil {
			return 0, 0, err
		}
		events = float64(l.came.Load()-came) / r.opts.duration.Seconds()
		messages = float64(a.published.Load()-said) / r.opts.duration.Seconds()
	}
	return events, messages, nil
}

// paced is a load in an open loop.
type paced struct {
	every time.Duration
	total int
}

func newPaced(rate float64, d time.Duration) paced {
	every := time.Duration(float64(time.Second) / rate)
	return paced{every, max(int(d/every), 1)}
}

// send publishes all of it.
func (p paced) send(ctx context.Context, r *rig, path string, status int) error {
	poster, err := newPoster(ctx, r.addrs, []string{path}, eventBody(0), status)
	if err != nil {
		return err
	}
	defer poster.close()
	err = schedule{start: time.Now(), every: p.every}.keep(p.total, func(n int) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return poster.send(n)
	})
	if err != nil {
		return err
	}
	return poster.finish(ctx)
}
