package ws

import (
	"context"
	"runtime"
	"sync"
)

// pump writes the frames of many sockets, without ever waiting for one of them. There
// is one for each core: to wake a goroutine for each socket costs more than to write a
// frame, and with 10,000 of them to be woken nobody else gets his turn for long.
type pump struct {
	mu    sync.Mutex // protects the field below
	ready []*session // whose turn it is, none twice

	wake chan struct{} // one slot: there are some
}

// turnsInARow is how many sockets have their turn before others may use the core: some
// 200 µs.
const turnsInARow = 32

func newPump() *pump { return &pump{wake: make(chan struct{}, 1)} }

// add does not block.
func (p *pump) add(s *session) {
	p.mu.Lock()
	p.ready = append(p.ready, s)
	first := len(p.ready) == 1
	p.mu.Unlock()
	if first {
		poke(p.wake)
	}
}

func (p *pump) run(ctx context.Context) {
	var list []*session
	out := &outbox{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		p.mu.Lock()
		list, p.ready = p.ready, list[:0]
		p.mu.Unlock()
		for i, sess := range list {
			sess.turn(out)
			list[i] = nil // it may end before the next
			if i%turnsInARow == turnsInARow-1 {
				runtime.Gosched()
			}
		}
		if cap(list) > manyTurns {
			list = nil
		}
	}
}

// manyTurns bounds the places that are kept for who is ready next.
const manyTurns = 1 << 16
