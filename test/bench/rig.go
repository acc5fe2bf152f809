package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// rig is what a row is measured on: one Redis and one hub of its own, or more.
type rig struct {
	opts   options
	redis  *process
	db     *redis.Client
	hub    *process
	addr   string // of the hub
	pid    int    // of what listens there
	client *http.Client
	layout layout
	names  int // given out by next

	settings []string   // of each hub, as in its environment
	hubs     []*process // all of them: hub, and those that addHub has started
	addrs    []string   // of the hubs
}

// newRig starts both; the settings are the hub's.
func newRig(ctx context.Context, opts options, dir string, settings []string) (r *rig, err error) {
	r = &rig{opts: opts, client: &http.Client{Transport: &http.Transport{}}, settings: settings}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.redis, r.db, err = startRedis(ctx, dir); err != nil {
		return r, err
	}
	if err := r.addHub(ctx); err != nil {
		return r, err
	}
	r.hub, r.addr, r.pid = r.hubs[0], r.addrs[0], r.hubs[0].pid()
	r.layout, err = learnLayout(ctx, r)
	return r, err
}

// addHub starts a hub, beside those that there are.
func (r *rig) addHub(ctx context.Context) error {
	hub, addr, err := startHub(ctx, r.client, r.opts.hub, r.db.Options().Addr, r.settings)
	if err == nil {
		r.hubs, r.addrs = append(r.hubs, hub), append(r.addrs, addr)
	}
	return err
}

// pids are the processes of all hubs.
func (r *rig) pids() []int {
	var pids []int
	for _, hub := range r.hubs {
		pids = append(pids, hub.pid())
	}
	return pids
}

func (r *rig) close() {
	r.client.CloseIdleConnections()
	for _, hub := range r.hubs {
		hub.stop()
	}
	if r.redis != nil {
		_ = r.db.Close()
		r.redis.stop()
	}
}

// next is a name that was not used before: each run has its own stream.
func (r *rig) next(kind string) string {
	r.names++
	return kind + "-" + strconv.Itoa(r.names)
}

// once does a probe within its time.
func (r *rig) once(ctx context.Context, p probe) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*r.opts.duration+runLimit)
	defer cancel()
	return p(ctx, r)
}

// mark is a moment in a measurement.
type mark struct {
	at       time.Time
	events   int64
	cpu      usage
	known    bool // cpu is
	commands commands
}

// noServer is for a load that goes to Redis alone.
var noServer []int

// mark takes the time. servers are the processes that stand where the hubs do.
func (r *rig) mark(servers []int, events int64) mark {
	m := mark{at: time.Now(), events: events, commands: r.commands()}
	m.known = true
	read := func(into *float64, pid int) {
		seconds, ok := cpuSeconds(pid)
		*into, m.known = *into+seconds, m.known && ok
	}
	for _, pid := range servers {
		read(&m.cpu.Hub, pid)
	}
	read(&m.cpu.Redis, r.redis.pid())
	read(&m.cpu.Load, os.Getpid())
	return m
}

// since is what has happened between two moments.
func (m mark) since(before mark) sample {
	s := sample{Events: m.events - before.events, Seconds: m.at.Sub(before.at).Seconds(), Commands: m.commands.minus(before.commands)}
	if m.known && before.known {
		used := m.cpu.minus(before.cpu)
		s.CPU = &used
	}
	return s
}

const (
	// warmUp goes before what is measured.
	warmUp = 300 * time.Millisecond
	// maxStored bounds the events of one run, and so the memory of Redis: 4
	// million take about 1.3 GB. A measurement that reaches it ends early.
	maxStored = 4_000_000
)

// load is work that goes on as long as it is let.
type load struct {
	servers []int // processes that do it
	most    int64 // events after which it is enough
	// run adds to count what was done. It returns nil when ctx has ended and all
	// was right.
	run func(ctx context.Context, count *atomic.Int64) error
}

// steady measures a load.
func (r *rig) steady(ctx context.Context, l load) (sample, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var count atomic.Int64
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx, &count) }() // waited for on every way out
	if err := l.pass(ended, warmUp, &count); err != nil {
		return sample{}, err
	}
	before := r.mark(l.servers, count.Load())
	if err := l.pass(ended, r.opts.duration, &count); err != nil {
		return sample{}, err
	}
	s := r.mark(l.servers, count.Load()).since(before)
	stop()
	if err := <-ended; err != nil {
		return sample{}, err
	}
	if s.Events == 0 {
		return s, errors.New("nothing was done in the time of the measurement")
	}
	return s, nil
}

// pass lets time go by while the load works.
func (l load) pass(ended <-chan error, d time.Duration, count *atomic.Int64) error {
	const look = 20 * time.Millisecond
	for until := time.Now().Add(d); time.Now().Before(until) && count.Load() < l.most; {
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("it was interrupted")
			}
			return fmt.Errorf("the load ended early: %w", err)
		case <-time.After(min(look, time.Until(until))):
		}
	}
	return nil
}
