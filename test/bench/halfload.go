package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// halfLoad is all that goes on during a soak.
type halfLoad struct {
	rig                   *rig
	stream, sink, channel string
	events, messages      paced

	seen     []atomic.Bool // events that have come to the sink
	distinct atomic.Int64  // of them
	again    atomic.Int64  // deliveries of others
	visits   atomic.Int64
	members  []*member
	failed   chan error // one slot: the first failure of one who stays
	staying  sync.WaitGroup
}

// member is a subscriber who stays.
type member struct{ count, sum atomic.Int64 }

// run works for as long as the loads go on.
func (h *halfLoad) run(ctx context.Context, s *soak) error {
	ctx, cancel := context.WithCancel(ctx)
	defer h.staying.Wait()
	defer cancel()
	if err := h.settle(ctx); err != nil {
		return err
	}
	visiting, leave := context.WithCancel(ctx)
	defer leave()
	group, working := errgroup.WithContext(ctx)
	for i := range soakVisitors {
		group.Go(func() error { return h.visit(working, visiting.Done(), i) })
	}
	group.Go(func() error { return h.watch(working, visiting.Done(), s) })
	group.Go(func() error {
		select {
		case <-visiting.Done():
			return nil
		case err := <-h.failed:
			return err
		}
	})
	group.Go(func() error {
		defer leave()
		loads, working := errgroup.WithContext(working)
		loads.Go(func() error { return h.events.send(working, h.rig, eventsPath(h.stream), http.StatusCreated) })
		loads.Go(func() error { return h.messages.send(working, h.rig, broadcastPath(h.channel), http.StatusAccepted) })
		return loads.Wait()
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return h.check(ctx)
}

// settle connects those who stay.
func (h *halfLoad) settle(ctx context.Context) error {
	if err := h.rig.put(ctx, "/v1/streams/"+h.stream, fmt.Sprintf(`{"max_events":%d}`, soakEvents)); err != nil {
		return err
	}
	for range soakConsumers {
		if err := h.stay(ctx, h.consumerPath(), h.consume); err != nil {
			return err
		}
	}
	for range min(soakSubscribers, h.rig.opts.sockets) {
		m := &member{}
		h.members = append(h.members, m)
		if err := h.stay(ctx, subscribePath(h.channel), m.take); err != nil {
			return err
		}
	}
	return nil
}

func (h *halfLoad) consumerPath() string {
	// Events of a visitor who has left come again at once, also the second time.
	return sinkPath(h.sink, h.rig.opts.prefetch, h.stream) + "&backoff=0s&max_deliveries=0"
}

// take is what is done with a frame; it is good until take returns.
type take func(s *socket, frame []byte) error

// stay connects a socket and has it read until ctx ends.
func (h *halfLoad) stay(ctx context.Context, path string, take take) error {
	s, err := dialSocket(ctx, h.rig.addr, path)
	if err != nil {
		return err
	}
	h.staying.Go(func() {
		for err == nil {
			var frame []byte
			if frame, err = s.nextEvents(); err == nil {
				err = take(s, frame)
			}
		}
		select {
		case h.failed <- err: // ignored at the end
		default:
		}
	})
	return nil
}

// consume notes and acknowledges events of the sink.
func (h *halfLoad) consume(s *socket, frame []byte) error {
	if err := h.note(frame); err != nil {
		return err
	}
	var ids [][]byte
	eachID(frame, func(id []byte) { ids = append(ids, id) })
	return ackFrames(s, ids)
}

// note takes in events of the sink.
func (h *halfLoad) note(frame []byte) (fault error) {
	eachNumber(frame, func(n int) {
		switch {
		case n < 0 || n >= len(h.seen):
			fault = fmt.Errorf("an event came that was not sent: %.300s", frame)
		case h.seen[n].Swap(true):
			h.again.Add(1)
		default:
			h.distinct.Add(1)
		}
	})
	return fault
}

// take notes messages: when both sums are right, all came, and once.
func (m *member) take(_ *socket, frame []byte) error {
	eachNumber(frame, func(n int) {
		m.count.Add(1)
		m.sum.Add(int64(n))
	})
	return nil
}

// check waits until all that was published has come, and nothing is owed.
func (h *halfLoad) check(ctx context.Context) error {
	messages := int64(h.messages.total)
	for deadline := time.Now().Add(15 * time.Second); ; {
		wrong := 0
		for _, m := range h.members {
			if m.count.Load() != messages || m.sum.Load() != messages*(messages-1)/2 {
				wrong++
			}
		}
		lag, pending, err := h.rig.owed(ctx, h.sink)
		switch {
		case err != nil:
			return err
		case wrong == 0 && h.distinct.Load() == int64(h.events.total) && lag == 0 && pending == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("of %d events %d came, %d pending, a lag of %d; %d of %d subscribers have not got just the %d messages",
				h.events.total, h.distinct.Load(), pending, lag, wrong, len(h.members), messages)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
