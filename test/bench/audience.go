package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// audience is the sockets of one feed, and what was said to them.
type audience struct {
	seed        maphash.Seed
	subscribers []*subscriber
	deliveries  atomic.Pointer[atomic.Int64] // where they are counted
	failed      chan error                   // one slot: the first subscriber's failure
	listening   sync.WaitGroup

	window    int64         // messages that the slowest may be behind
	published atomic.Int64  // begun
	said      atomic.Uint64 // sum of the hashes of the published ids
	slowest   atomic.Int64  // what every subscriber has, or more
	surveying sync.Mutex
}

// subscriber is one of an audience.
type subscriber struct {
	socket *socket
	count  atomic.Int64
	heard  atomic.Uint64 // sum of the hashes of the ids: equal when all came, in any order
}

func newAudience(window int64) *audience {
	return &audience{seed: maphash.MakeSeed(), failed: make(chan error, 1), window: window}
}

// join connects so many subscribers.
func (a *audience) join(ctx context.Context, addr, path string, n int) error {
	sockets, err := dialSockets(ctx, addr, path, n)
	if err != nil {
		return err
	}
	for _, socket := range sockets {
		s := &subscriber{socket: socket}
		a.subscribers = append(a.subscribers, s)
		a.listening.Go(func() {
			if err := a.listen(s); err != nil {
				select {
				case a.failed <- err: // ignored once they have left
				default:
				}
			}
		})
	}
	return nil
}

// leave ends the sockets and waits for those who read them.
func (a *audience) leave(cancel func()) {
	cancel()
	a.listening.Wait()
}

func (a *audience) listen(s *subscriber) error {
	for {
		frame, err := s.socket.nextEvents()
		if err != nil {
			return err
		}
		n, sum := int64(0), uint64(0)
		eachID(frame, func(id []byte) {
			n++
			sum += maphash.Bytes(a.seed, id)
		})
		s.heard.Add(sum)
		s.count.Add(n)
		if count := a.deliveries.Load(); count != nil {
			count.Add(n)
		}
	}
}

// survey finds the slowest subscriber; one publisher does it for all.
func (a *audience) survey() {
	if !a.surveying.TryLock() {
		return
	}
	defer a.surveying.Unlock()
	least := a.subscribers[0].count.Load()
	for _, s := range a.subscribers {
		least = min(least, s.count.Load())
	}
	a.slowest.Store(least)
}

// hush waits until everybody has got everything, and once.
func (a *audience) hush() error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		missing, wrong := int64(0), 0
		for _, s := range a.subscribers {
			missing += max(a.published.Load()-s.count.Load(), 0)
			if s.heard.Load() != a.said.Load() || s.count.Load() != a.published.Load() {
				wrong++
			}
		}
		switch {
		case wrong == 0:
			return nil
		case missing == 0 || time.Now().After(deadline):
			return errors.Join(fmt.Errorf("%d messages were published; %d subscribers have not got just these, %d deliveries are missing",
				a.published.Load(), wrong, missing), a.failure())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (a *audience) failure() error {
	select {
	case err := <-a.failed:
		return err
	default:
		return nil
	}
}
