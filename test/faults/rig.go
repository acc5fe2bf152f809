package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"eventhub/test/faults/history"
)

// hubsOfARig is how many hubs a scenario has.
const hubsOfARig = 3

// rig is what a scenario runs on, and with. One goroutine, the scenario's, uses it.
type rig struct {
	*stage
	redis      *topology
	hubs       []*node
	load       *load
	rec        *history.Recorder
	complaints *complaints
	quick      bool    // the short form
	haste      float64 // what is waited for takes so much of its time, of a part of a mix
}

// newRig starts Redis, the hubs and the load.
func newRig(s *stage, sc *scenario, opts options) *rig {
	r := &rig{stage: s, rec: history.NewRecorder(), complaints: &complaints{}, quick: opts.short, haste: 1}
	r.redis = newTopology(s, sc.topology, sc.proxied, sc.redis...)
	env := append([]string{
		"HUB_REDIS_URL=" + r.redis.url, "HUB_DRAIN_TIMEOUT=2s", "HUB_SHUTDOWN_TIMEOUT=8s", "HUB_LOG_FORMAT=json",
		"HUB_REQUESTS_PER_SECOND=0", "HUB_EVENTS_PER_SECOND=0",
	}, sc.settings...)
	for i := range hubsOfARig {
		n, err := newNode(strconv.Itoa(i), opts.hub, env)
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { n.kill() })
		if err := n.start(s.ctx); err != nil {
			s.Fatal(err)
		}
		r.hubs = append(r.hubs, n)
	}
	r.load = newLoad(s.ctx, r.rec, r.hubs, opts.seed)
	s.Cleanup(r.load.stop)
	r.load.start(sc.load)
	return r
}

// fault does something to the hubs or Redis, and notes when, and what shows that it has
// happened: do returns it, "" for nothing.
func (r *rig) fault(f history.Fault, do func() string) {
	before := r.redis.attempts()
	f.Began = r.rec.Now()
	f.Proof = do()
	f.Ended = r.rec.Now()
	r.rec.Fault(f)
	// With a second for the connections that were there.
	r.complaints.hold("attempts to connect", r.redis.attempts()-before, f.Ended-f.Began+time.Second, hubsOfARig, attemptsPerSecond)
}

// pass lets the load go on.
func (r *rig) pass(d time.Duration) { rest(r.ctx, time.Duration(float64(d)*r.haste)) }

// heal has all hubs run and be ready.
func (r *rig) heal() {
	r.mourn()
	for _, n := range r.hubs {
		if closed(n.run.exited) {
			if err := n.start(r.ctx); err != nil {
				r.Fatal(err)
			}
		} else if err := n.awaitReady(r.ctx); err != nil {
			r.Fatal(err)
		}
	}
}

// mourn complains of hubs that have ended: who ends one starts it again himself, so such a
// one has ended by itself.
func (r *rig) mourn() {
	for _, n := range r.hubs {
		if closed(n.run.exited) {
			r.complaints.add("hub %s has ended by itself (%v): %s", n.name, n.run.err, n.logs.tail())
		}
	}
}

// finish lets everything come to an end, and returns the whole history.
func (r *rig) finish(sc *scenario) (h history.History, settled time.Duration) {
	r.load.hush()
	if err := r.load.finish(r.ctx, sc.load); err != nil {
		r.Errorf("%w", err)
	}
	settled = r.load.settle(r.ctx, r.redis.db)
	r.load.ask()
	rest(r.ctx, time.Second)
	h = r.rec.History()
	r.mourn()
	r.load.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 30*time.Second)
	defer cancel()
	if err := collect(ctx, r.redis.db, &h); err != nil {
		r.Fatal(err)
	}
	return h, settled
}

// perform runs a scenario once. One that is ended with all is not judged.
func perform(all context.Context, sc *scenario, opts options) result {
	if sc.draw != nil {
		sc = sc.draw(opts.seed, opts.short)
	}
	res := result{Scenario: sc.name, Topology: sc.topology, Durability: sc.load.durability, Seed: opts.seed, Short: opts.short, Plan: sc.plan}
	began := time.Now()
	ctx, cancel := context.WithTimeout(all, cmp.Or(sc.limit, scenarioLimit))
	defer cancel()
	var r *rig
	var h history.History
	err := onStage(ctx, func(s *stage) {
		r = newRig(s, sc, opts)
		r.pass(sc.warmUp())
		sc.fault(r)
		r.heal()
		r.pass(2 * time.Second)
		var settled time.Duration
		h, settled = r.finish(sc)
		res.judge(&h, sc, r, settled)
	})
	if err != nil {
		res.Error = err.Error()
	}
	if ctx.Err() != nil {
		res.Error = errors.Join(err, fmt.Errorf("it was ended after %s", time.Since(began).Round(time.Second))).Error()
	}
	res.Took = time.Since(began)
	if all.Err() != nil { // what was still under way is no fault of the hubs
		res.Wrong = nil
		return res
	}
	if r != nil && res.code() != valid && opts.keeps() {
		if len(h.Feeds) == 0 { // it did not come to its end
			h = r.rec.History()
		}
		if err := res.keep(opts.keep, &h, r.hubs); err != nil {
			res.Error = errors.Join(errors.New(res.Error), err).Error()
		}
	}
	return res
}

// scenarioLimit bounds a scenario, whatever happens in it, unless that has a limit of its own.
const scenarioLimit = 3 * time.Minute
