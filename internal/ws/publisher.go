package ws

import (
	"context"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// publishLimit is how long a command may wait for those before it, and how long
// what a socket leaves behind may take.
const publishLimit = 3 * time.Second

// publisher does a socket's publish commands one after another, so that events
// are stored in the order in which they came. Its goroutine lives while there are
// any; their number is bounded by what may be under way.
type publisher struct {
	ctx     context.Context // ends publishLimit after the socket
	giveUp  context.CancelFunc
	working sync.WaitGroup // run

	mu      sync.Mutex // protects the fields below
	queue   []turn
	running bool
}

// turn is a command that waits for its turn. Exactly one of its functions is
// called.
type turn struct {
	came    time.Time
	publish func(ctx context.Context) // answers the command
	late    func()                    // so does this, without publishing
}

// enqueue has publish called in turn, by another goroutine; it answers c.
func (s *session) enqueue(c *command, publish func(ctx context.Context)) {
	if s.publisher == nil {
		s.publisher = newPublisher()
	}
	s.publisher.add(turn{time.Now(), publish, func() { s.answer(c, errLate, nil) }})
}

var errLate = hub.Errorf(hub.CodeUnavailable,
	"nothing was published: it waited for more than %s behind other commands of this connection", hub.FormatDuration(publishLimit))

func newPublisher() *publisher {
	ctx, giveUp := context.WithCancel(context.Background())
	return &publisher{ctx: ctx, giveUp: giveUp}
}

func (p *publisher) add(t turn) {
	p.mu.Lock()
	p.queue = append(p.queue, t)
	start := !p.running
	p.running = true
	p.mu.Unlock()
	if start {
		p.working.Go(p.run)
	}
}

func (p *publisher) run() {
	for {
		t, ok := p.next()
		switch {
		case !ok:
			return
		case p.ctx.Err() != nil || time.Since(t.came) > publishLimit:
			t.late()
		default:
			t.publish(p.ctx)
		}
	}
}

// next is the one whose turn it is; without any, run is to return.
func (p *publisher) next() (t turn, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		p.queue, p.running = nil, false
		return turn{}, false
	}
	t, p.queue[0] = p.queue[0], turn{} // its events may go once they are stored
	p.queue = p.queue[1:]
	return t, true
}

// close waits until everything that came has been done, or given up. Nothing is
// added any more.
func (p *publisher) close() {
	if p == nil {
		return
	}
	timer := time.AfterFunc(publishLimit, p.giveUp)
	defer timer.Stop()
	p.working.Wait()
	p.giveUp()
}
