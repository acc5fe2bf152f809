package ws

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// fakeReader writes down what it is told, and gives what a test has it give.
type fakeReader struct {
	closed chan struct{} // one slot: closing twice is a fault

	mu      sync.Mutex // protects the fields below
	wake    func()
	streams []string
	next    []hub.Reading
	endless *hub.Reading // given again and again, once next is empty
	ended   *hub.Error   // of Take, once there is nothing else
	takes   int
	calls   []string
	refuse  error // of AddStream
}

func newFakeReader(readings ...hub.Reading) *fakeReader {
	return &fakeReader{closed: make(chan struct{}, 1), next: readings}
}

func (r *fakeReader) set(change func()) {
	r.mu.Lock()
	change()
	r.mu.Unlock()
	r.wake()
}

// heard returns what was called since the last time.
func (r *fakeReader) heard() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

func (r *fakeReader) called(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, fmt.Sprintf(format, args...))
}

func (r *fakeReader) Take(int) (reading hub.Reading, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takes++
	switch {
	case len(r.next) > 0:
		reading, r.next = r.next[0], r.next[1:]
	case r.endless != nil:
		reading = *r.endless
	case r.ended != nil:
		return reading, r.ended
	}
	return reading, nil
}

func (r *fakeReader) Ready() <-chan struct{} { return nil }

func (r *fakeReader) AddStream(ctx context.Context, stream string, from hub.Position) (ignored bool, err error) {
	deadline, ok := ctx.Deadline()
	after, known := from.After()
	r.called("add %s after %s %t, bounded %t", stream, after, known, ok && time.Until(deadline) <= addLimit)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return false, r.refuse
	}
	if slices.Contains(r.streams, stream) {
		return true, nil
	}
	r.streams = append(slices.Clone(r.streams), stream)
	return false, nil
}

func (r *fakeReader) RemoveStream(stream string) {
	r.called("remove %s", stream)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.streams = slices.DeleteFunc(slices.Clone(r.streams), func(s string) bool { return s == stream })
}

func (r *fakeReader) Streams() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.streams
}

func (r *fakeReader) Pause()  { r.called("pause") }
func (r *fakeReader) Resume() { r.called("resume") }
func (r *fakeReader) Close()  { r.closed <- struct{}{} }
