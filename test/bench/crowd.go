package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is subscribers who note when each message of a timing has come.
type crowd struct {
	timing *timing
	late   [][]time.Duration // by subscriber, whose goroutine owns it, and by message; 0: it has not come

	owed      atomic.Int64  // deliveries still to come
	complete  chan struct{} // closed when there are none
	failed    chan error    // one slot: the first subscriber's failure
	listening sync.WaitGroup
}

// newCrowd has the sockets read until they are closed.
func newCrowd(sockets []*socket, t *timing) *crowd {
	c := &crowd{timing: t, complete: make(chan struct{}), failed: make(chan error, 1)}
	c.owed.Store(int64(len(sockets) * t.total))
	for _, s := range sockets {
		late := make([]time.Duration, t.total)
		c.late = append(c.late, late)
		c.listening.Go(func() {
			select {
			case c.failed <- c.listen(s, late): // ignored once they have left
			default:
			}
		})
	}
	return c
}

// listen returns why it has ended.
func (c *crowd) listen(s *socket, late []time.Duration) error {
	for {
		frame, err := s.nextEvents()
		if err != nil {
			return err
		}
		if err := c.note(frame, late); err != nil {
			return err
		}
	}
}

// note takes in a frame of one subscriber.
func (c *crowd) note(frame []byte, late []time.Duration) error {
	return c.timing.each(frame, func(n int, after time.Duration) error {
		if late[n] != 0 {
			return fmt.Errorf("message %d came twice", n)
		}
		late[n] = after
		if c.owed.Add(-1) == 0 {
			close(c.complete)
		}
		return nil
	})
}

// wait returns when everybody has got everything.
func (c *crowd) wait(ctx context.Context) error {
	// The messages are due while this waits: the time for stragglers comes on top.
	limit := time.Until(c.timing.due(c.timing.total)) + 15*time.Second
	select {
	case <-c.complete:
		return nil
	case err := <-c.failed:
		return err
	case <-time.After(limit):
		return fmt.Errorf("%d deliveries are missing", c.owed.Load())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leave ends the sockets and waits for those who read them.
func (c *crowd) leave(cancel func()) {
	cancel()
	c.listening.Wait()
}

// countLast takes in when the last of the subscribers had each message.
func (c *crowd) countLast() error {
	var errs []error
	for n := range c.timing.total {
		last := slices.MaxFunc(c.late, func(a, b []time.Duration) int { return int(a[n] - b[n]) })
		errs = append(errs, c.timing.count(n, last[n]))
	}
	return errors.Join(errs...)
}

// countEach takes in every delivery.
func (c *crowd) countEach() error {
	var errs []error
	for _, late := range c.late {
		for n, after := range late {
			errs = append(errs, c.timing.count(n, after))
		}
	}
	return errors.Join(errs...)
}
