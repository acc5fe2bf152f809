package ws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// fakeSubscription writes down what it is told, and gives what a test has it give.
type fakeSubscription struct {
	closed chan struct{} // one slot

	// Where a test sets them, each gets a signal when the call is under way, which
	// then waits for another; a Take has its messages by then.
	taking, adding chan struct{}

	mu       sync.Mutex // protects the fields below
	wake     func()
	channels []string
	next     []*hub.Message
	endless  *hub.Message // given again and again, once next is empty
	ended    *hub.Error   // of Take, once there is nothing else
	asked    []int        // bytes, of each Take
	calls    []string
	refuse   error // of Subscribe
}

func newFakeSubscription(messages ...*hub.Message) *fakeSubscription {
	return &fakeSubscription{closed: make(chan struct{}, 1), next: messages}
}

func (s *fakeSubscription) set(change func()) {
	s.mu.Lock()
	change()
	s.mu.Unlock()
	s.wake()
}

// heard returns what was called since the last time.
func (s *fakeSubscription) heard() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func (s *fakeSubscription) called(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *fakeSubscription) Take(dst []*hub.Message, most int) ([]*hub.Message, error) {
	messages, err := s.take(dst, most)
	if s.taking != nil && len(messages) > 0 {
		s.taking <- struct{}{}
		<-s.taking
	}
	return messages, err
}

func (s *fakeSubscription) take(dst []*hub.Message, most int) ([]*hub.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, most)
	for bytes := 0; len(s.next) > 0 && bytes < most; s.next = s.next[1:] {
		dst = append(dst, s.next[0])
		bytes += len(s.next[0].JSON)
	}
	switch {
	case len(dst) > 0:
	case s.endless != nil:
		dst = append(dst, s.endless)
	case s.ended != nil:
		return dst, s.ended
	}
	return dst, nil
}

func (s *fakeSubscription) Ready() <-chan struct{} { return nil }

func (s *fakeSubscription) Subscribe(ctx context.Context, channels []string) error {
	deadline, ok := ctx.Deadline()
	s.called("subscribe %s, bounded %t", strings.Join(channels, " "), ok && time.Until(deadline) <= addLimit)
	if s.adding != nil {
		s.adding <- struct{}{}
		<-s.adding
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	for _, channel := range channels {
		if !slices.Contains(s.channels, channel) {
			s.channels = append(slices.Clone(s.channels), channel)
		}
	}
	return nil
}

func (s *fakeSubscription) Unsubscribe(channels []string) {
	s.called("unsubscribe %s", strings.Join(channels, " "))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels = slices.DeleteFunc(slices.Clone(s.channels), func(c string) bool { return slices.Contains(channels, c) })
	s.next = slices.DeleteFunc(slices.Clone(s.next), func(m *hub.Message) bool { return slices.Contains(channels, m.Channel) })
}

func (s *fakeSubscription) Channels() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.channels
}

func (s *fakeSubscription) Close() { poke(s.closed) }

// message is an event of the channel.
func message(channel, json string) *hub.Message {
	return &hub.Message{Channel: channel, JSON: []byte(json)}
}

// missing is a gap of the channel.
func missing(channel, reason string, dropped int64) *hub.Message {
	return &hub.Message{Channel: channel, Gap: &hub.Gap{Channel: channel, Reason: reason, Dropped: dropped}}
}
