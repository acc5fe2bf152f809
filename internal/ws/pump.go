package ws

import (
	"context"
	"runtime"
	"sync"
)

// pump writes the frames of many sockets, without ever waiting for one of them. There
// are few (pumpsOn): to wake a goroutine for each socket costs more than to write a
// frame, and with 10,000 of them to be woken nobody else gets his turn for long.
type pump struct {
	mu    sync.Mutex // protects the fields below
	ready []*session // whose turn it is, none twice
	later []*session // that have more to write, and had a turn: one of them after each round of the others

	wake chan struct{} // one slot: there are some
}

// turnsInARow is how many sockets have their turn before others may use the core: some
// 200 µs.
const turnsInARow = 32

// pumpsOn is how many pumps there are on so many cores: on half of them. Go's scheduler
// looks for what the network has brought only on a core that has nothing else to run,
// or every 10 ms. With a busy pump on each core, what is published waits for the end of
// a round; with one core left to it, more has come when a socket has its turn, and goes
// out in the same system call (1,000 sockets on 2 cores: 7 messages each time with two
// pumps, 57 with one).
func pumpsOn(cores int) int { return max(1, cores/2) }

func newPump() *pump { return &pump{wake: make(chan struct{}, 1)} }

// add does not block.
func (p *pump) add(s *session) { p.put(&p.ready, s) }

// addLater is for who has a long history to write: a bit of it at a time, so that
// others need not wait for it.
func (p *pump) addLater(s *session) { p.put(&p.later, s) }

func (p *pump) put(list *[]*session, s *session) {
	p.mu.Lock()
	*list = append(*list, s)
	first := len(p.ready)+len(p.later) == 1
	p.mu.Unlock()
	if first {
		poke(p.wake)
	}
}

// round takes whose turn it is now, in place of a list that is done with; more: the
// next round follows at once.
func (p *pump) round(done []*session) (list []*session, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list, p.ready = p.ready, done[:0]
	if len(p.later) > 0 {
		list = append(list, p.later[0])
		p.later[0] = nil
		if p.later = p.later[1:]; len(p.later) == 0 {
			p.later = nil
		}
	}
	return list, len(p.later) > 0
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
		for more := true; more; {
			list, more = p.round(list)
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
			if more {
				runtime.Gosched()
			}
		}
	}
}

// manyTurns bounds the places that are kept for who is ready next.
const manyTurns = 1 << 16
