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
// channel. Publishers hold back while the slowest subscriber is -window messages
// behind, so that nobody is closed for being slow.
func broadcast(subscribers int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		limit, cancel := context.WithCancel(ctx)
		defer cancel()
		a := &audience{seed: maphash.MakeSeed(), failed: make(chan error, 1)}
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
	request := postRequest(r.addr, "/v1/broadcast/"+channel, eventBody(0))
	for {
		for a.published.Load()-a.slowest.Load() >= int64(r.opts.window) {
			select {
			case <-ctx.Done():
				return nil
			case err := <-a.failed:
				return err
			case <-time.After(200 * time.Microsecond):
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
