package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// rawAdd is the yardstick of publishing arrays: go-redis, the same fields, as
// many goroutines as there are connections, and pipelines as long as the arrays.
func rawAdd(ctx context.Context, r *rig) (sample, error) {
	stream := r.next("raw")
	return r.steady(ctx, load{noServer, maxStored, func(ctx context.Context, count *atomic.Int64) error {
		calls := context.WithoutCancel(ctx)
		var group errgroup.Group
		for range batched.conns {
			group.Go(func() error {
				for ctx.Err() == nil {
					pipe := r.db.Pipeline()
					for range batched.events {
						_ = pipe.Process(calls, r.layout.add(calls, stream, "*")) // only queues
					}
					if _, err := pipe.Exec(calls); err != nil {
						return fmt.Errorf("adding: %w", err)
					}
					count.Add(int64(batched.events))
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		return r.checkStored(calls, count.Load(), stream)
	}})
}
