package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// idle measures what a hub keeps in memory for sockets to which nothing comes; the
// rate is how fast they were taken in. The hub must be a new one: memory that others
// have left would be used again.
func idle(sockets int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		n := min(sockets, r.opts.sockets)
		// The first few have the hub load code, which belongs to no socket.
		if err := r.visit(ctx, min(n, 50), func([]*socket, string) error { return nil }); err != nil {
			return sample{}, err
		}
		m := &memory{Sockets: int64(n)}
		var err error
		if m.Alone, err = r.settled(ctx); err != nil {
			return sample{}, err
		}
		before := r.mark(r.pids(), 0)
		var s sample
		err = r.visit(ctx, n, func(sockets []*socket, channel string) (err error) {
			s = r.mark(r.pids(), int64(n)).since(before)
			s.Memory = m
			return r.stay(ctx, m, sockets, channel)
		})
		if err == nil {
			m.Left, err = r.givenBack(ctx, m)
		}
		return s, err
	}
}

// visit does something while so many sockets are in a channel.
func (r *rig) visit(ctx context.Context, n int, do func(sockets []*socket, channel string) error) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	channel := r.next("channel")
	sockets, err := dialSockets(ctx, r.addr, subscribePath(channel), n)
	if err != nil {
		return err
	}
	return do(sockets, channel)
}

// stay reads the memory while the sockets are there, and makes sure that they work.
func (r *rig) stay(ctx context.Context, m *memory, sockets []*socket, channel string) (err error) {
	if m.Idle, err = r.settled(ctx); err != nil {
		return err
	}
	conn, err := dialHTTP(ctx, r.addr)
	if err != nil {
		return err
	}
	defer conn.close()
	if _, err := conn.do(postRequest(r.addr, broadcastPath(channel), eventBody(0)), http.StatusAccepted); err != nil {
		return err
	}
	for _, s := range sockets {
		frame, err := s.nextEvents()
		if err != nil {
			return err
		}
		came := 0
		eachNumber(frame, func(int) { came++ })
		if came != 1 {
			return fmt.Errorf("one message was published, %d came", came)
		}
	}
	m.Used, err = r.settled(ctx)
	return err
}

// settled is the memory of the server once it is at rest.
func (r *rig) settled(ctx context.Context) (int64, error) {
	return settledBytes(ctx, r.pid, min(5*time.Second, 2*r.opts.duration))
}

// givenBack reads the memory once nine tenths of what the sockets had are free, or
// when five times -duration are over, but no more than 30 seconds.
func (r *rig) givenBack(ctx context.Context, m *memory) (int64, error) {
	const longest = 30 * time.Second
	deadline := time.Now().Add(min(5*r.opts.duration, longest))
	for {
		now, err := residentBytes(r.pid)
		if err != nil || now < m.Alone+(m.Used-m.Alone)/10 || time.Now().After(deadline) {
			return now, err
		}
		if err := pause(ctx, lookEvery); err != nil {
			return 0, err
		}
	}
}
