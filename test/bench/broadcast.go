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

// feed is a way from a POST to many sockets.
type feed struct {
	post   string // path
	status int    // of its answer
	listen string // path of the sockets
}

func broadcastFeed(channel string) feed {
	return feed{broadcastPath(channel), http.StatusAccepted, subscribePath(channel)}
}

// readersFeed has the sockets read one stream, each from a place of its own.
func readersFeed(stream string) feed {
	return feed{eventsPath(stream), http.StatusCreated, "/v1/readers/ws?stream=" + stream}
}

// broadcast measures the delivery of single messages to many subscribers of one
// channel.
func broadcast(subscribers int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		return r.deliver(ctx, r.pids(), r.addrs, broadcastFeed(r.next("channel")), subscribers)
	}
}

// plainBroadcast is the same to the relay.
func plainBroadcast(subscribers int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		return r.beside(ctx, plainSockets, func(pids []int, addr string) (sample, error) {
			return r.deliver(ctx, pids, []string{addr}, broadcastFeed(r.next("channel")), subscribers)
		})
	}
}

// readers measures the delivery of single events to many readers of one stream.
func readers(n int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		return r.deliver(ctx, r.pids(), r.addrs, readersFeed(r.next("read")), n)
	}
}

// deliver measures a feed. Publishers hold back while the slowest subscriber is some
// messages behind, so that nobody is closed for being slow.
func (r *rig) deliver(ctx context.Context, servers []int, addrs []string, f feed, subscribers int) (sample, error) {
	subscribers = min(subscribers, r.opts.sockets)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := newAudience(int64(min(r.opts.window, mostOwed/subscribers)))
	defer a.leave(cancel)
	for i, addr := range addrs {
		if err := a.join(ctx, addr, f.listen, (subscribers+i)/len(addrs)); err != nil {
			return sample{}, err
		}
	}
	return r.steady(ctx, load{servers, math.MaxInt64, func(ctx context.Context, count *atomic.Int64) error {
		a.deliveries.Store(count)
		return a.address(ctx, addrs, f)
	}})
}

// mostOwed bounds the deliveries that may be under way, so that a second or two is
// enough for them.
const mostOwed = 500_000

// publishers is the number of connections that broadcasts are posted over.
const publishers = 8

// address publishes until ctx ends, then waits until everybody has got
// everything.
func (a *audience) address(ctx context.Context, addrs []string, f feed) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range publishers {
		group.Go(func() error { return a.publish(ctx, addrs[i%len(addrs)], f) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return a.hush()
}

func (a *audience) publish(ctx context.Context, addr string, f feed) error {
	conn, err := dialHTTP(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.close()
	request := postRequest(addr, f.post, eventBody(0))
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
		body, err := conn.do(request, f.status)
		if err != nil {
			return fmt.Errorf("publishing: %w", err)
		}
		eachID(body, func(id []byte) { a.said.Add(maphash.Bytes(a.seed, id)) })
	}
}
