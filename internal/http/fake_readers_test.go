package http_test

import (
	"context"
	"slices"
	"sync"

	"eventhub/internal/hub"
)

// fakeReaders is the part of the engine that is read from.
type fakeReaders struct {
	read      func(ctx context.Context, spec hub.ReaderSpec) (hub.Reader, error)
	subscribe func(ctx context.Context, spec hub.BroadcastSpec) (hub.Subscription, error)
}

func (f *fakeReaders) Read(ctx context.Context, spec hub.ReaderSpec) (hub.Reader, error) {
	if err := within(spec.Scope, spec.Streams); err != nil {
		return nil, err
	}
	return f.read(ctx, spec)
}

func (f *fakeReaders) Subscribe(ctx context.Context, spec hub.BroadcastSpec) (hub.Subscription, error) {
	if err := within(spec.Scope, spec.Channels); err != nil {
		return nil, err
	}
	return f.subscribe(ctx, spec)
}

// within is the engine's promise: it does nothing for who may not see all that is named.
func within(scope hub.Scope, names []string) error {
	if scope == nil {
		return nil
	}
	for _, name := range names {
		if _, err := scope.See(name); err != nil {
			return err
		}
	}
	return nil
}

// give has the engine open this reader; spec is what it is asked for.
func (f *fakeReaders) give(r *fakeReader) (spec *hub.ReaderSpec) {
	spec = &hub.ReaderSpec{}
	f.read = func(_ context.Context, s hub.ReaderSpec) (hub.Reader, error) {
		*spec = s
		return r, nil
	}
	return spec
}

// fakeReader gives what a test has it give. Of a reader's verbs the edge uses
// three.
type fakeReader struct {
	hub.Reader
	signal chan struct{}
	closed chan struct{} // one slot

	mu     sync.Mutex // protects the fields below
	next   []hub.Reading
	place  hub.Cursor // behind what was taken
	caught bool       // of a reading that has nothing
	ended  error      // of Take, once next is empty
	limits []int      // that Take was called with
}

func newFakeReader(readings ...hub.Reading) *fakeReader {
	r := &fakeReader{signal: make(chan struct{}, 1), closed: make(chan struct{}, 1), next: readings, caught: true}
	r.place = cursor(0)
	if len(readings) > 0 {
		r.place = readings[0].Before
	}
	return r
}

// set changes what there is, and says so.
func (r *fakeReader) set(change func()) {
	r.mu.Lock()
	change()
	r.mu.Unlock()
	select {
	case r.signal <- struct{}{}:
	default:
	}
}

func (r *fakeReader) Take(limit int) (hub.Reading, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limits = append(r.limits, limit)
	if len(r.next) > 0 {
		reading := r.next[0]
		r.next, r.place = r.next[1:], reading.After
		return reading, nil
	}
	return hub.Reading{Before: r.place, After: r.place, Caught: r.caught}, r.ended
}

func (r *fakeReader) asked() []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.limits)
}

func (r *fakeReader) Ready() <-chan struct{} { return r.signal }
func (r *fakeReader) Close()                 { r.closed <- struct{}{} } // twice is a fault

// cursor is the place in orders behind the event of a millisecond.
func cursor(ms uint64) hub.Cursor {
	return hub.Cursor{{Stream: "orders", Born: "7", After: hub.ID{MS: ms}}}
}

// reading has the events of orders of these milliseconds.
func reading(before uint64, events ...uint64) hub.Reading {
	r := hub.Reading{Before: cursor(before), After: cursor(before)}
	for _, ms := range events {
		r.Events = append(r.Events, readEvent("orders", ms))
		r.After = cursor(ms)
	}
	return r
}

func readEvent(stream string, ms uint64) hub.ReadEvent {
	id := hub.ID{MS: ms}
	return hub.ReadEvent{Stream: stream, ID: id, JSON: []byte(`{"id":"` + id.String() + `"}`)}
}
