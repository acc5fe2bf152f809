package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// posts is a load of HTTP requests: every connection sends the next as soon as
// it has the answer.
type posts struct {
	conns  int
	events int // of one request; 1 is an object, more are an array
}

var (
	single  = posts{conns: 64, events: 1}
	callers = posts{conns: 100, events: 1}
	batched = posts{conns: 8, events: 100}
)

// run posts events of streams, in turn, until ctx ends, and counts those that were
// answered with the status. The connections share out the addresses.
func (p posts) run(ctx context.Context, addrs, streams []string, status int, count *atomic.Int64) error {
	body := eventBody(0)
	if p.events > 1 {
		body = "[" + body + strings.Repeat(","+body, p.events-1) + "]"
	}
	requests := make([][]byte, len(streams))
	for i, stream := range streams {
		requests[i] = postRequest(addrs[0], eventsPath(stream), body)
	}
	var group errgroup.Group
	for i := range p.conns {
		group.Go(func() error {
			conn, err := dialHTTP(ctx, addrs[i%len(addrs)])
			if err != nil {
				return err
			}
			defer conn.close()
			for turn := i * len(streams) / p.conns; ctx.Err() == nil; turn++ {
				if _, err := conn.do(requests[turn%len(requests)], status); err != nil {
					return fmt.Errorf("posting events: %w", err)
				}
				count.Add(int64(p.events))
			}
			return nil
		})
	}
	return group.Wait()
}

// publish posts to the hub, and makes sure that just what it has acknowledged is
// stored.
func publish(p posts) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		return r.publish(ctx, p, 0, r.next("publish"))
	}
}

// publish posts to streams in turn, which have already so many events.
func (r *rig) publish(ctx context.Context, p posts, already int64, streams ...string) (sample, error) {
	return r.steady(ctx, load{r.pids(), maxStored, func(ctx context.Context, count *atomic.Int64) error {
		if err := p.run(ctx, r.addrs, streams, http.StatusCreated, count); err != nil {
			return err
		}
		return r.checkStored(context.WithoutCancel(ctx), already+count.Load(), streams...)
	}})
}

// checkStored compares the length of logs with what it should be, and removes them.
func (r *rig) checkStored(ctx context.Context, want int64, streams ...string) error {
	stored := int64(0)
	for _, stream := range streams {
		n, err := r.db.XLen(ctx, r.layout.log(stream)).Result()
		if err != nil {
			return err
		}
		stored += n
	}
	if stored != want {
		return fmt.Errorf("%d events were acknowledged, %d are stored", want, stored)
	}
	for _, stream := range streams {
		if err := r.db.Del(ctx, r.layout.log(stream)).Err(); err != nil {
			return err
		}
	}
	return nil
}
