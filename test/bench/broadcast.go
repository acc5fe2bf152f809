package main

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// broadcast measures the delivery of single messages to many subscribers of one
// channel. Publishers hold back while the slowest subscriber is some messages
// behind, so that nobody is closed for being slow.
func broadcast(subscribers int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		subscribers := min(subscribers, r.opts.sockets)
		limit, cancel := context.WithCancel(ctx)
		defer cancel()
		a := &audience{seed: maphash.MakeSeed(), failed: make(chan error, 1), window: int64(min(r.opts.window, mostOwed/subscribers))}
		channel := r.next("channel")
		defer a.leave(cancel)
		if err := a.join(limit, r.addr, channel, subscribers); err != nil {
			return sample{}, err
		}
		return r.steady(limit, load{r.hub.pid(), math.MaxInt64, func(ctx context.Context, count *atomic.Int64) error {
			a.deliveries.Store(count)
			return a.address(ctx, r, channel)
		}})
	}
}

// mostOwed bounds the deliveries that may be under way, so that a second or two is
// enough for them.
const mostOwed = 500_000

// publishers is the number of connections that broadcasts are posted over.
const publishers = 8

// address publishes until ctx ends, then waits until everybody has got
// everything.
func (a *audience) address(ctx context.Context, r *rig, channel string) error {
	group, ctx := errgroup.WithContext(ctx)
	for range publishers {
		group.Go(func() error { return a.publish(ctx, r, channel) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return a.hush()
}

func (a *audience) publish(ctx context.Context, r *rig, channel string) error {
	conn, err := dialHTTP(ctx, r.addr)
	if err != nil {
		return err
	}
	defer conn.close()
	request := postRequest(r.addr, broadcastPath(channel), eventBody(0))
	// To look through everybody takes about as many ns as 20 times their number.
	pause := max(200*time.Microsecond, time.Duration(len(a.subscribers))*time.Microsecond)
	for {
		for a.published.Load()-a.slowest.Load() >= a.window {
			select {
			case <-ctx.Done():
				return nil
			case err := <-a.failed:
				return err
			case <-time.After(pause):
			}
			a.survey()
		}
		if ctx.Err() != nil {
			return nil
		}
		a.published.Add(1)
		body, err := conn.do(request, http.StatusAccepted)
		if err != nil {
			return fmt.Errorf("broadcasting: %w", err)
		}
		eachID(body, func(id []byte) { a.said.Add(maphash.Bytes(a.seed, id)) })
	}
}
