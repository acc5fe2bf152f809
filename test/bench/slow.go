package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// What is sent to subscribers of whom some never read: 200 × 5,000 bytes a second.
const (
	goodSubscribers = 200
	slowSubscribers = 200
	slowRate        = 200
	slowBytes       = 5000
)

// patientWrites keeps the hub from ending a peer because it takes no frame at all,
// which would come before the end of a long measurement.
var patientWrites = []string{"HUB_WRITE_TIMEOUT=10m"}

// policy is what the hub does with subscribers that never read.
type policy struct {
	query string
	ends  bool // it closes them
	// owed is how many messages they have not read when the measurement begins. Some 60
	// fit into the kernel's buffers and 820 into the hub's queue.
	owed int
}

var (
	// dropping has all queues overflow from the first message on.
	dropping = policy{query: "&slow=drop", owed: 2000}
	// disconnecting closes all in the first second or two.
	disconnecting = policy{ends: true, owed: 700}
)

// besideSlow measures good subscribers while as many others never read.
func besideSlow(p policy) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		d := &deaf{policy: p, rig: r, sockets: min(slowSubscribers, r.opts.sockets), filler: r.next("filler")}
		channel := r.next("channel")
		if err := d.join(ctx, channel); err != nil {
			return sample{}, err
		}
		s, err := r.timeGood(ctx, channel)
		if err != nil {
			return sample{}, err
		}
		return s, d.check(ctx, s.Events)
	}
}

// besideNobody measures them alone.
func besideNobody(ctx context.Context, r *rig) (sample, error) {
	return r.timeGood(ctx, r.next("channel"))
}

// timeGood measures subscribers that read what comes; every delivery counts.
func (r *rig) timeGood(ctx context.Context, channel string) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sockets, err := dialSockets(ctx, r.addr, subscribePath(channel), min(goodSubscribers, r.opts.sockets))
	if err != nil {
		return sample{}, err
	}
	p, err := newPoster(ctx, r.addrs, []string{broadcastPath(channel)}, eventBodyOf(0, slowBytes), http.StatusAccepted)
	if err != nil {
		return sample{}, err
	}
	defer p.close()
	c := newCrowd(sockets, newTiming(slowRate, r.opts.duration))
	defer c.leave(cancel)
	return c.timing.run(r, r.pids(), cancel, p.send, func() error {
		if err := c.wait(ctx); err != nil {
			return err
		}
		return c.countEach()
	})
}

// deaf is subscribers that never read.
type deaf struct {
	policy
	rig     *rig
	sockets int
	filler  string // a channel that they alone have
	before  fates
}

// join connects them, and fills the buffers between them and the hub.
func (d *deaf) join(ctx context.Context, channel string) error {
	if _, err := dialSockets(ctx, d.rig.addr, subscribePath(channel)+"&channel="+d.filler+d.query, d.sockets); err != nil {
		return err
	}
	err := d.fill(ctx, d.owed)
	if err == nil {
		d.before, err = d.rig.fates(ctx)
	}
	return err
}

// fill publishes messages that only they should get, and one who reads: then the hub
// has handled them.
func (d *deaf) fill(ctx context.Context, messages int) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	witness, err := dialSocket(ctx, d.rig.addr, subscribePath(d.filler))
	if err != nil {
		return err
	}
	conn, err := dialHTTP(ctx, d.rig.addr)
	if err != nil {
		return err
	}
	defer conn.close()
	request := postRequest(d.rig.addr, broadcastPath(d.filler), eventBodyOf(0, slowBytes))
	for range messages {
		if _, err := conn.do(request, http.StatusAccepted); err != nil {
			return fmt.Errorf("filling the queues: %w", err)
		}
		if _, err := witness.nextEvents(); err != nil {
			return fmt.Errorf("filling the queues: %w", err)
		}
	}
	return nil
}

// check makes sure that the policy was carried out while so many messages came.
func (d *deaf) check(ctx context.Context, messages int64) error {
	if d.ends {
		return d.checkEnded(ctx, messages)
	}
	now, err := d.rig.fates(ctx)
	if err != nil {
		return err
	}
	closed, missed := now.closed-d.before.closed, (now.dropped-d.before.dropped)/int64(d.sockets)
	if closed > 0 || missed < messages/2 {
		return fmt.Errorf("%d slow subscribers were closed; of %d messages each of them missed %d", closed, messages, missed)
	}
	return nil
}

func (d *deaf) checkEnded(ctx context.Context, messages int64) error {
	// A short measurement does not put them as far behind as they have to be.
	const enough = 500
	if err := d.fill(ctx, int(max(enough-messages, 0))); err != nil {
		return err
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		now, err := d.rig.fates(ctx)
		closed := now.closed - d.before.closed
		switch {
		case err != nil || closed == int64(d.sockets):
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("of %d slow subscribers %d were closed", d.sockets, closed)
		}
		if err := pause(ctx, lookEvery); err != nil {
			return err
		}
	}
}
