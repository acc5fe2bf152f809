package broker

import (
	"context"
	"slices"
	"sync"

	"eventhub/internal/hub"
)

// reader implements hub.Reader. While nobody takes from it, it has no more than its
// places, and at most one page for each that it has asked for.
type reader struct {
	readers *readers
	filter  *hub.Filter
	scope   hub.Scope // nil: it may see everything

	ready signal // Take may have something to tell

	mu     sync.Mutex // protects the fields below
	spots  []*spot    // by attachment
	turn   int        // which of them is served first
	paused bool
	err    error // why it has ended
}

var _ hub.Reader = (*reader)(nil)

var errReaderClosed = &hub.Error{Code: hub.CodeUnavailable, Detail: "the reader is closed"}

// Bounds of one Take.
const (
	takeBytes = 1 << 20 // about a frame
	// takeScans bounds the events that the filter is asked about: it may have many
	// patterns, and others wait for mu.
	takeScans = 1000
)

// taking is one Take.
type taking struct {
	reader  *reader
	reading hub.Reading
	limit   int // events; 0: none
	bytes   int
	scanned int
	more    bool // there is more to take at once
}

// full says whether no more may be added.
func (k *taking) full() bool {
	if k.limit > 0 && len(k.reading.Events) >= k.limit || k.bytes >= takeBytes || k.scanned >= takeScans {
		k.more = true
	}
	return k.more
}

func (r *reader) Take(limit int) (hub.Reading, error) {
	r.mu.Lock()
	if r.err != nil {
		defer r.mu.Unlock()
		return hub.Reading{}, r.err
	}
	k := taking{reader: r, limit: limit}
	if !r.paused {
		r.gather(&k)
	}
	k.reading.Caught = true
	k.reading.After = make(hub.Cursor, len(r.spots))
	for i, s := range r.spots {
		k.reading.After[i] = s.place()
		k.reading.Caught = s.isCaught() && k.reading.Caught
	}
	k.reading.Before = k.reading.After
	if len(k.reading.Events) > 0 {
		k.reading.Before = slices.Clone(k.reading.After)
		for i, s := range r.spots {
			if s.taken {
				k.reading.Before[i].After = s.before
			}
		}
	}
	r.mu.Unlock()
	if nothing := len(k.reading.Events)+len(k.reading.Gaps) == 0; k.more && (nothing || r.ready.call == nil) {
		r.ready.give() // a pump asks for more by itself, when others have had their turn
	}
	if n := len(k.reading.Events); n > 0 {
		r.readers.broker.metrics.toReaders.Add(float64(n))
	}
	return k.reading, nil
}

// gather takes from one stream after another, beginning with another each time: a
// busy one leaves no room for others.
func (r *reader) gather(k *taking) {
	for _, s := range r.spots {
		s.taken = false
	}
	for i := range r.spots {
		if k.full() {
			break
		}
		r.spots[(r.turn+i)%len(r.spots)].take(k)
	}
	r.turn++
	if len(k.reading.Events) > 0 {
		for _, s := range r.spots {
			s.page = nil // others may need the room until this is written
		}
	}
}

func (r *reader) Ready() <-chan struct{} { return r.ready.c }

func (r *reader) AddStream(ctx context.Context, stream string, from hub.Position) (ignored bool, err error) {
	seen, err := hub.Sight(r.scope, stream)
	if err != nil {
		return false, err
	}
	if slices.Contains(r.Streams(), stream) {
		return true, nil
	}
	s, err := r.readers.find(ctx, stream, from)
	if err != nil {
		return false, err
	}
	s.seen = seen
	return r.add(s)
}

// add has the reader read from s on, unless it reads the stream already.
func (r *reader) add(s *spot) (ignored bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return false, r.err
	}
	if slices.ContainsFunc(r.spots, func(other *spot) bool { return other.stream == s.stream }) {
		return true, nil
	}
	if err := r.readers.attach(s, r); err != nil {
		return false, err
	}
	r.spots = append(r.spots, s)
	r.ready.give()
	return false, nil
}

func (r *reader) RemoveStream(stream string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spots = slices.DeleteFunc(r.spots, func(s *spot) bool {
		if s.stream == stream {
			r.readers.detach(s, r)
			return true
		}
		return false
	})
}

func (r *reader) Streams() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	streams := make([]string, len(r.spots))
	for i, s := range r.spots {
		streams[i] = s.stream
	}
	return streams
}

func (r *reader) Pause() { r.pause(true) }

func (r *reader) Resume() { r.pause(false) }

func (r *reader) pause(paused bool) {
	r.mu.Lock()
	r.paused = paused
	r.mu.Unlock()
	if !paused {
		r.ready.give()
	}
}

func (r *reader) Close() { r.end(errReaderClosed) }

// end has Take fail from now on.
func (r *reader) end(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	for _, s := range r.spots {
		r.readers.detach(s, r)
	}
	r.spots = nil
	r.mu.Unlock()
	r.readers.leave(r)
	r.ready.give()
}
