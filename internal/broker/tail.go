package broker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"eventhub/internal/hub"
)

// tail follows the end of a stream for all its readers on this hub. Its goroutine,
// run, reads what is new when it is rung, decodes it once, and keeps the latest
// for the readers to take. It decides which generation of the stream is the
// current one: pages of another are not used.
type tail struct {
	readers *readers
	stream  string
	refs    int // readers here; protected by readers.mu
	stop    context.CancelFunc

	rung  atomic.Bool // there may be something new
	asked atomic.Bool // somebody waits for the end of a read, whatever it finds
	stray atomic.Bool // a page had events, but no generation
	wake  chan struct{}

	mu     sync.RWMutex // protects the fields below; run alone writes those up to window
	born   string       // generation; the last known where the stream is gone
	gone   bool
	turns  int    // how often a generation came after another
	forks  int    // how often another log came in the place of the one that was read
	fork   fork   // the last of these times
	begun  uint64 // reads that have begun
	ended  uint64 // the last that has come back
	whole  uint64 // the last that has come to the end of the log
	window window

	weight    weight
	served    map[*reader]struct{}
	pageFails int   // pages in a row that could not be read
	pageFault error // of the first of them, until it is logged
	pagesAt   time.Time

	// owned by run
	failures  int
	notBefore time.Time
	strays    int // reads in a row that found events, but no generation
}

// newTail is a tail of a stream whose last id is hi.
func newTail(rs *readers, stream, born string, hi hub.ID, stop context.CancelFunc) *tail {
	return &tail{
		readers: rs, stream: stream, stop: stop, wake: make(chan struct{}, 1),
		born: born, window: window{lo: hi, hi: hi}, served: map[*reader]struct{}{},
	}
}

// join adds a reader's spot.
func (t *tail) join(s *spot, r *reader) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.served[r] = struct{}{}
	s.tail, s.since, s.turns, s.forks = t, t.begun, t.turns, t.forks
	if t.born != "" {
		s.turns++ // where the reader knows of no stream, this one has gone
	}
}

func (t *tail) leave(r *reader) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.served, r)
}

// forget has an event not shown any more.
func (t *tail) forget(id hub.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window.forget(id)
}

// ring has the tail read. It never blocks.
func (t *tail) ring() {
	if !t.rung.Swap(true) {
		wake(t.wake)
	}
}

// ask has the tail read, and wake its readers after that even if there is nothing
// new.
func (t *tail) ask() {
	t.asked.Store(true)
	t.ring()
}

// view is a tail at one moment.
type view struct {
	born         string
	gone         bool
	turns, forks int
	fork         fork
	ended, whole uint64
	lo, hi       hub.ID
	items        []item
	pagesAt      time.Time // no page is read before
}

func (t *tail) view() view {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return view{
		born: t.born, gone: t.gone, turns: t.turns, forks: t.forks, fork: t.fork, ended: t.ended, whole: t.whole,
		lo: t.window.lo, hi: t.window.hi, items: t.window.items, pagesAt: t.pagesAt,
	}
}

// started is how many reads have begun.
func (t *tail) started() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.begun
}

func (t *tail) run(ctx context.Context) {
	timer := time.NewTimer(idleLook)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
		if now := time.Now(); !now.Before(t.notBefore) && t.rung.Swap(false) {
			more, err := t.read(ctx)
			switch {
			case ended(ctx):
				return
			case err != nil:
				t.rung.Store(true)
				t.fails(err)
			default:
				t.succeeds()
				if more {
					t.ring()
				}
			}
		}
		timer.Reset(t.nextLook(time.Now()))
	}
}

// nextLook is how long run may sleep when nobody rings. It wakes the readers when
// pages may be read again.
func (t *tail) nextLook(now time.Time) time.Duration {
	next := now.Add(idleLook)
	if t.failures > 0 {
		next = t.notBefore
	}
	if at := t.pagesDue(now); !at.IsZero() && at.Before(next) {
		next = at
	}
	return max(next.Sub(now), time.Millisecond)
}

func (t *tail) fails(err error) {
	t.failures++
	t.notBefore = time.Now().Add(backoff(t.failures, firstDelay, mostDelay))
	if t.failures == 1 {
		t.readers.broker.log.Warn("a stream cannot be read for its readers, retrying",
			slog.String("stream", t.stream), slog.Any("error", err))
	}
}

func (t *tail) succeeds() {
	if t.failures > 0 {
		t.readers.broker.log.Info("a stream can be read for its readers again", slog.String("stream", t.stream))
		t.failures = 0
	}
}

func (t *tail) wakeAll() {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for r := range t.served {
		r.ready.give() // never blocks
	}
}

// pageRoom is how many bytes a page may ask for, and about what its answer takes.
func (t *tail) pageRoom() (room, reply int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.weight.within(pageBytes)
}

// weigh notes what a page had.
func (t *tail) weigh(events, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.weight.came(events, bytes)
}

// pageRead notes whether a page of history could be read. It never blocks.
func (t *tail) pageRead(err error) {
	t.mu.Lock()
	if err == nil {
		t.pageFails, t.pageFault = 0, nil
		t.mu.Unlock()
		return
	}
	t.weight.failed()
	t.pageFails++
	t.pagesAt = time.Now().Add(backoff(t.pageFails, firstDelay, mostDelay))
	if t.pageFails == 1 {
		t.pageFault = err
	}
	t.mu.Unlock()
	wake(t.wake)
}

// pagesDue wakes the readers when pages may be read again after a failure. It is
// zero when there was none, or their time has come.
func (t *tail) pagesDue(now time.Time) time.Time {
	t.mu.Lock()
	at, fault := t.pagesAt, t.pageFault
	if !now.Before(at) {
		t.pagesAt = time.Time{}
	}
	t.pageFault = nil
	t.mu.Unlock()
	if fault != nil {
		t.readers.broker.log.Warn("the history of a stream cannot be read for its readers, retrying",
			slog.String("stream", t.stream), slog.Any("error", fault))
	}
	if now.Before(at) {
		return at
	}
	if !at.IsZero() {
		t.wakeAll()
	}
	return time.Time{}
}
