package main

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// visit has one socket after another come, stay for a while and go, until it is over: a
// subscriber, a reader, a consumer of the sink. They leave without a word, a consumer with
// the last events that it got.
func (h *halfLoad) visit(ctx context.Context, over <-chan struct{}, n int) error {
	watcher := func() take { return func(*socket, []byte) error { return nil } }
	roles := []struct {
		path string
		take func() take
	}{
		{subscribePath(h.channel), watcher},
		{readersFeed(h.stream).listen, watcher},
		{h.consumerPath(), h.late},
	}
	for ; ; n++ {
		role := roles[n%len(roles)]
		if err := h.stopBy(ctx, over, role.path, role.take()); err != nil {
			return fmt.Errorf("visiting %s: %w", role.path, err)
		}
		h.visits.Add(1)
		select {
		case <-over:
			return nil
		default:
		}
	}
}

// late acknowledges the events of a frame when the next one comes.
func (h *halfLoad) late() take {
	var ids [][]byte
	return func(s *socket, frame []byte) error {
		if err := h.note(frame); err != nil {
			return err
		}
		if len(ids) > 0 {
			if err := ackFrames(s, ids); err != nil {
				return err
			}
		}
		ids = ids[:0]
		eachID(frame, func(id []byte) { ids = append(ids, bytes.Clone(id)) })
		return nil
	}
}

// stopBy is one visit.
func (h *halfLoad) stopBy(ctx context.Context, over <-chan struct{}, path string, take take) error {
	stay, cancel := context.WithTimeout(ctx, min(time.Second, h.rig.opts.soak/10))
	defer cancel()
	s, err := dialSocket(ctx, h.rig.addr, path)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { // waited for below
		defer close(ended)
		for err == nil {
			var frame []byte
			if frame, err = s.nextEvents(); err == nil {
				err = take(s, frame)
			}
		}
	}()
	var fault error
	select {
	case <-stay.Done():
	case <-over:
	case <-ended:
		if fault = err; ctx.Err() != nil {
			fault = nil
		}
	}
	s.close()
	<-ended
	return fault
}

// watch reads the hub's memory and goroutines until it is over.
func (h *halfLoad) watch(ctx context.Context, over <-chan struct{}, s *soak) error {
	every := time.NewTicker(min(time.Second, max(h.rig.opts.soak/100, 10*time.Millisecond)))
	defer every.Stop()
	var resident, goroutines []float64
	for {
		select {
		case <-over:
			if len(resident) > 0 {
				s.Resident, s.Goroutines = trendOf(resident), trendOf(goroutines)
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
		}
		resides, err := residentBytes(h.rig.hub.pid())
		if err != nil {
			return err
		}
		running, err := h.rig.goroutines(ctx)
		if err != nil {
			return err
		}
		resident, goroutines = append(resident, float64(resides)), append(goroutines, running)
	}
}
