package broker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"eventhub/internal/hub"
)

// subscriber implements hub.Subscription.
type subscriber struct {
	fan    *fan
	filter *hub.Filter // nil: everything
	scope  hub.Scope   // nil: it may see everything
	drops  bool        // what is too much for it is dropped, and it goes on

	rooms map[string]*member // protected by fan.mu

	mu      sync.Mutex // protects the fields below
	waiting backlog
	err     error // why it has ended

	ready signal // waiting or err has changed
}

var _ hub.Subscription = (*subscriber)(nil)

// Subscribe subscribes to broadcast channels. What is published after it has
// returned is delivered.
//
// Errors: CodeForbidden for a channel that is out of spec's scope, CodeUnavailable.
func (b *Broker) Subscribe(ctx context.Context, spec hub.BroadcastSpec) (hub.Subscription, error) {
	s := &subscriber{
		fan: b.fan, scope: spec.Scope, drops: spec.Slow == hub.SlowDrop,
		rooms: make(map[string]*member, len(spec.Channels)), ready: newSignal(spec.Wake),
	}
	if len(spec.Topics)+len(spec.Types) > 0 {
		var err error
		if s.filter, err = hub.NewFilter(spec.Topics, spec.Types); err != nil {
			return nil, err
		}
	}
	if err := s.Subscribe(ctx, spec.Channels); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *subscriber) Subscribe(ctx context.Context, channels []string) error {
	seen, err := sights(s.scope, channels)
	if err != nil {
		return err
	}
	fresh, confirmed := s.fan.join(s, channels, seen)
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	for _, c := range confirmed {
		var err error
		select {
		case <-c:
			continue
		case <-timer.C:
			err = unavailable(nil, "subscribing")
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.Unsubscribe(fresh)
		return err
	}
	return nil
}

func (s *subscriber) Unsubscribe(channels []string) {
	s.fan.leave(s, channels)
	// After the rooms were left nothing of them comes any more.
	s.mu.Lock()
	s.waiting.remove(channels)
	s.mu.Unlock()
}

func (s *subscriber) Channels() []string {
	s.fan.mu.RLock()
	defer s.fan.mu.RUnlock()
	return slices.Collect(maps.Keys(s.rooms))
}

// push takes a message in, or ends a subscriber that is too slow. It does not
// block.
func (s *subscriber) push(m *hub.Message) {
	limits := s.fan.limits
	s.mu.Lock()
	switch {
	case s.err != nil:
	case s.waiting.fits(m, limits):
		s.waiting.put(m)
	case s.drops:
		s.fan.metrics.dropped.Add(float64(s.waiting.drop(m, limits)))
		s.waiting.put(m)
	default:
		s.err = hub.Errorf(hub.CodeSlowConsumer,
			"messages came faster than this connection took them: %d with %d bytes waited"+
				" (HUB_BROADCAST_QUEUE_EVENTS, HUB_BROADCAST_QUEUE_BYTES; slow=drop leaves some out instead of closing)",
			s.waiting.events, s.waiting.bytes)
		s.waiting = backlog{}
		s.fan.metrics.slow.Inc()
	}
	s.mu.Unlock()
	s.ready.give()
}

func (s *subscriber) Take(dst []*hub.Message, bytes int) ([]*hub.Message, error) {
	had := len(dst)
	s.mu.Lock()
	err := s.err
	if err == nil {
		dst = s.waiting.take(dst, bytes)
	}
	s.mu.Unlock()
	if err != nil {
		return dst, err
	}
	s.fan.metrics.took(dst[had:])
	return dst, nil
}

func (s *subscriber) Ready() <-chan struct{} { return s.ready.c }

func (s *subscriber) Close() {
	s.fan.leave(s, s.Channels())
	s.mu.Lock()
	if s.err == nil {
		s.err = errClosed
	}
	s.waiting = backlog{}
	s.mu.Unlock()
	s.ready.give()
}
