package main

import (
	"context"
	"net/http"
)

// fanoutRate is messages a second: few enough that two cores are done with one, for
// the hub and for all subscribers, long before the next is due.
const fanoutRate = 10

// fanout goes from a POST to the last subscriber of the channel.
func fanout(subscribers int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		channel := r.next("channel")
		sockets, err := dialSockets(ctx, r.addr, subscribePath(channel), min(subscribers, r.opts.sockets))
		if err != nil {
			return sample{}, err
		}
		p, err := newPoster(ctx, r.addrs, []string{broadcastPath(channel)}, eventBody(0), http.StatusAccepted)
		if err != nil {
			return sample{}, err
		}
		defer p.close()
		t := newTiming(fanoutRate, 2*r.opts.duration)
		c := newCrowd(sockets, t)
		defer c.leave(cancel)
		return t.run(r, r.pids(), cancel, p.send, func() error {
			if err := c.wait(ctx); err != nil {
				return err
			}
			return c.countLast()
		})
	}
}

// rawFanout goes from a PUBLISH of go-redis to one SUBSCRIBE: what every message
// has to take in any case.
func rawFanout(ctx context.Context, r *rig) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	channel := r.next("channel")
	subscription := r.db.Subscribe(ctx, channel)
	defer subscription.Close()
	if _, err := subscription.Receive(ctx); err != nil {
		return sample{}, err
	}
	defer context.AfterFunc(ctx, func() { _ = subscription.Close() })() // a read does not hear of ctx
	send := func(n int) error { return r.db.Publish(ctx, channel, eventBody(n)).Err() }
	t := newTiming(fanoutRate, r.opts.duration)
	return t.run(r, noServer, cancel, send, func() error {
		for !t.complete() {
			message, err := subscription.ReceiveMessage(ctx)
			if err != nil {
				return err
			}
			if err := t.record([]byte(message.Payload)); err != nil {
				return err
			}
		}
		return nil
	})
}
