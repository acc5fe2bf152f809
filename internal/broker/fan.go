package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"eventhub/internal/hub"
)

// messageHeader begins what hubs publish on a live channel; the event's JSON
// follows. Anything else was sent by another program and is checked first.
const messageHeader = "hub1\n"

// fan gives what comes over the live channels to the subscribers of this hub.
type fan struct {
	limits QueueLimits
	prefix string // of live channels

	mu       sync.RWMutex // protects the field below
	channels map[string]map[*subscriber]struct{}
}

func newFan(limits QueueLimits, prefix string) *fan {
	return &fan{limits: limits, prefix: prefix, channels: map[string]map[*subscriber]struct{}{}}
}

// deliver puts a message into the queue of every subscriber. The JSON is shared
// by all of them. No queue blocks: a full one ends its subscriber.
func (f *fan) deliver(channel, payload string) {
	name := channel[len(f.prefix):]
	event, ok := []byte(nil), false
	if json, ours := strings.CutPrefix(payload, messageHeader); ours {
		event, ok = []byte(json), true
	}
	if !ok {
		event = foreignMessage(name, payload)
	}
	f.each(name, func(s *subscriber) { s.push(event) })
}

// lost tells the subscribers of a channel that messages may have been missed.
func (f *fan) lost(name string) {
	f.each(name, func(s *subscriber) { s.pushGap(hub.Gap{Channel: name, Reason: hub.GapReconnect}) })
}

func (f *fan) each(name string, do func(*subscriber)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for s := range f.channels[name] {
		do(s)
	}
}

// subscriber implements hub.Subscription.
type subscriber struct {
	broker   *Broker
	channels []string

	mu    sync.Mutex // protects the fields below
	queue [][]byte
	gaps  []hub.Gap
	bytes int
	err   error // why it has ended

	ready chan struct{} // one slot: queue, gaps or err has changed
}

var _ hub.Subscription = (*subscriber)(nil)

func (s *subscriber) push(event []byte) {
	limits := s.broker.fan.limits
	s.mu.Lock()
	switch {
	case s.err != nil:
	case len(s.queue) >= limits.Events || s.bytes+len(event) > max(limits.Bytes, len(event)):
		s.err = hub.Errorf(hub.CodeSlowConsumer,
			"messages came faster than this connection took them: %d with %d bytes waited (HUB_BROADCAST_QUEUE_EVENTS, HUB_BROADCAST_QUEUE_BYTES)",
			len(s.queue), s.bytes)
		s.queue = nil
		s.broker.metrics.slow.Inc()
	default:
		s.queue = append(s.queue, event)
		s.bytes += len(event)
	}
	s.mu.Unlock()
	wake(s.ready)
}

func (s *subscriber) pushGap(gap hub.Gap) {
	s.mu.Lock()
	if !slices.Contains(s.gaps, gap) {
		s.gaps = append(s.gaps, gap)
	}
	s.mu.Unlock()
	wake(s.ready)
}

func (s *subscriber) Take() (hub.Messages, error) {
	s.mu.Lock()
	messages, err := hub.Messages{Gaps: s.gaps, Events: s.queue}, s.err
	s.gaps, s.queue, s.bytes = nil, nil, 0
	s.mu.Unlock()
	if err != nil {
		return hub.Messages{}, err
	}
	if len(messages.Events) > 0 {
		s.broker.metrics.delivered.WithLabelValues("broadcast").Add(float64(len(messages.Events)))
	}
	return messages, nil
}

func (s *subscriber) Ready() <-chan struct{} { return s.ready }

func (s *subscriber) Close() {
	s.mu.Lock()
	if s.err == nil {
		s.err = errClosed
	}
	s.queue, s.gaps = nil, nil
	s.mu.Unlock()
	wake(s.ready)
	s.broker.unsubscribe(s)
}

// Subscribe subscribes to broadcast channels. What is published after it has
// returned is delivered.
func (b *Broker) Subscribe(ctx context.Context, channels []string) (hub.Subscription, error) {
	s := &subscriber{broker: b, channels: channels, ready: make(chan struct{}, 1)}
	confirmed := make([]<-chan struct{}, 0, len(channels))
	b.fan.mu.Lock()
	for _, name := range channels {
		set := b.fan.channels[name]
		if set == nil {
			set = map[*subscriber]struct{}{}
			b.fan.channels[name] = set
		}
		set[s] = struct{}{}
		// Under the lock, so that the order of subscribe and unsubscribe is that
		// of the references; it only notes what is wanted.
		confirmed = append(confirmed, b.live.subscribe(b.keys.live(name), func() { b.fan.lost(name) }))
	}
	b.fan.mu.Unlock()

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
		s.Close()
		return nil, err
	}
	return s, nil
}

func (b *Broker) unsubscribe(s *subscriber) {
	b.fan.mu.Lock()
	defer b.fan.mu.Unlock()
	for _, name := range s.channels {
		set := b.fan.channels[name]
		if _, ok := set[s]; !ok {
			continue
		}
		if delete(set, s); len(set) == 0 {
			delete(b.fan.channels, name)
			b.live.unsubscribe(b.keys.live(name))
		}
	}
}

// Broadcast sends events to the live subscribers of a channel, on every hub, in
// order, and returns their ids once Redis has passed them on. Nothing is kept.
//
// Errors: as Publish.
func (b *Broker) Broadcast(ctx context.Context, channel string, events []hub.Event) ([]string, error) {
	began := time.Now()
	key := b.keys.live(channel)
	o, ids := &op{}, make([]string, len(events))
	for i := range events {
		e := events[i]
		e.ID = fmt.Sprintf("%s-%d", b.name[len(hubPrefix):], b.sequence.Add(1))
		e.Channel, e.Time = channel, began
		message := e.AppendJSON([]byte(messageHeader))
		o.cmds = append(o.cmds, command("publish", key, message))
		o.bytes += len(message)
		ids[i] = e.ID
	}
	if err := b.messages.do(ctx, key, o); err != nil {
		return nil, failure(err, "broadcasting")
	}
	for _, cmd := range o.cmds {
		if err := cmd.Err(); err != nil {
			return nil, failure(err, "broadcasting")
		}
	}
	b.metrics.broadcast.Add(float64(len(events)))
	b.metrics.publishSeconds.Observe(time.Since(began).Seconds())
	return ids, nil
}

// foreignMessage makes an event of what another program has published.
func foreignMessage(channel, payload string) []byte {
	e := hub.Event{ID: uuid.NewString(), Channel: channel, Time: time.Now(), Data: []byte(payload)}
	adopt(&e, nil, true)
	return e.AppendJSON(nil)
}
