package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// timePosts publishes events one at a time, attackRate a second, and returns the p99 of
// the time from when each was due to its answer.
func (r *rig) timePosts(ctx context.Context, duration time.Duration) (p99 time.Duration, err error) {
	const conns = 16
	t := newTiming(attackRate, duration)
	t.warm = 0
	due := make(chan int, t.total) // who posts never holds up the schedule
	var mu sync.Mutex              // protects the histogram
	path := eventsPath(r.next("timed"))
	posting, ctx := errgroup.WithContext(ctx)
	for range conns {
		posting.Go(func() error {
			conn, err := dialHTTP(ctx, r.addr)
			if err != nil {
				return err
			}
			defer conn.close()
			request := newTemplate(postRequest(r.addr, path, eventBody(0)))
			for n := range due {
				if _, err := conn.do(request.of(n), http.StatusCreated); err != nil {
					return err
				}
				late := max(time.Since(t.due(n)), 1)
				mu.Lock()
				err := t.count(n, late)
				mu.Unlock()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	kept := t.keep(t.total, func(n int) error {
		due <- n
		return ctx.Err()
	})
	close(due)
	if err := posting.Wait(); err != nil {
		return 0, err
	}
	return t.at(99), kept
}
