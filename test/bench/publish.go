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
	batched = posts{conns: 8, events: 100}
)

// run posts events of a stream to addr until ctx ends, and counts those that
// were answered with the status.
func (p posts) run(ctx context.Context, addr, stream string, status int, count *atomic.Int64) error {
	body := eventBody(0)
	if p.events > 1 {
		body = "[" + body + strings.Repeat(","+body, p.events-1) + "]"
	}
	request := postRequest(addr, eventsPath(stream), body)
	var group errgroup.Group
	for range p.conns {
		group.Go(func() error {
			conn, err := dialHTTP(ctx, addr)
			if err != nil {
				return err
			}
			defer conn.close()
			for ctx.Err() == nil {
				if _, err := conn.do(request, status); err != nil {
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
		stream := r.next("publish")
		return r.steady(ctx, load{r.hub.pid(), maxStored, func(ctx context.Context, count *atomic.Int64) error {
			if err := p.run(ctx, r.addr, stream, http.StatusCreated, count); err != nil {
				return err
			}
			return r.checkStored(context.WithoutCancel(ctx), stream, count.Load())
		}})
	}
}

// checkStored compares the length of a log with what it should be, and removes
// it.
func (r *rig) checkStored(ctx context.Context, stream string, want int64) error {
	key := r.layout.log(stream)
	stored, err := r.db.XLen(ctx, key).Result()
	if err != nil {
		return err
	}
	if stored != want {
		return fmt.Errorf("%d events were acknowledged, %d are stored", want, stored)
	}
	return r.db.Del(ctx, key).Err()
}
