package broker

import (
	"context"
	"sync"
)

// looks shares looks at streams: who comes while one is under way waits for the
// next, which begins after they have come, as do all who come until then.
type looks struct {
	readers *readers

	mu       sync.Mutex // protects the field below
	byStream map[string]*looking
}

// looking is the look at a stream that is under way, and the one after it.
type looking struct{ next *looked }

// looked is what one look has found.
type looked struct {
	done chan struct{} // closed when info and err are there
	info streamInfo
	err  error
}

// at is the stream at a moment after at was called. It may have to wait for a look
// that is under way before its own, but answers within answerTimeout in all.
func (l *looks) at(ctx context.Context, stream string) (streamInfo, error) {
	call, err := l.queue(stream)
	if err != nil {
		return streamInfo{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	select {
	case <-call.done:
		return call.info, call.err
	case <-ctx.Done():
		return streamInfo{}, unavailable(ctx.Err(), "reading the stream")
	}
}

func (l *looks) queue(stream string) (*looked, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	under := l.byStream[stream]
	if under != nil {
		if under.next == nil {
			under.next = &looked{done: make(chan struct{})}
		}
		return under.next, nil
	}
	call := &looked{done: make(chan struct{})}
	l.readers.mu.Lock()
	defer l.readers.mu.Unlock()
	if l.readers.closed {
		return nil, errClosing
	}
	under = &looking{}
	l.byStream[stream] = under
	l.readers.running.Go(func() { l.run(stream, under, call) })
	return call, nil
}

// run looks until nobody has come meanwhile.
func (l *looks) run(stream string, under *looking, call *looked) {
	for call != nil {
		call.info, call.err = l.readers.broker.look(l.readers.ctx, stream)
		close(call.done)
		l.mu.Lock()
		call, under.next = under.next, nil
		if call == nil {
			delete(l.byStream, stream)
		}
		l.mu.Unlock()
	}
}
