package http_test

import (
	"context"
	"slices"
	"sync"

	"eventhub/internal/hub"
)

// fakeChannels is the part of the engine that knows who listens.
type fakeChannels struct {
	channels func(prefix string, limit int, after string) (hub.ChannelPage, error)
	channel  func(channel string) (hub.ChannelStatus, error)
}

func (f *fakeChannels) Channels(_ context.Context, prefix string, limit int, after string, seen func(string) bool) (hub.ChannelPage, error) {
	if f.channels != nil {
		page, err := f.channels(prefix, limit, after)
		page.Channels = slices.DeleteFunc(page.Channels, func(c hub.ChannelStatus) bool { return !seen(c.Channel) })
		return page, err
	}
	return hub.ChannelPage{}, nil
}

func (f *fakeChannels) Channel(_ context.Context, channel string) (hub.ChannelStatus, error) {
	if f.channel != nil {
		return f.channel(channel)
	}
	return hub.ChannelStatus{Channel: channel}, nil
}

// fakeSubscription gives what a test has it give. Of a subscription's verbs the edge
// uses three.
type fakeSubscription struct {
	hub.Subscription
	signal chan struct{}
	closed chan struct{} // one slot

	mu    sync.Mutex // protects the fields below
	next  []*hub.Message
	ended error // of Take, once next is empty
	asked []int // bytes, of each Take
}

func newFakeSubscription(messages ...*hub.Message) *fakeSubscription {
	return &fakeSubscription{signal: make(chan struct{}, 1), closed: make(chan struct{}, 1), next: messages}
}

func (s *fakeSubscription) Take(dst []*hub.Message, most int) ([]*hub.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, most)
	for bytes := 0; len(s.next) > 0 && bytes < most; s.next = s.next[1:] {
		dst = append(dst, s.next[0])
		bytes += len(s.next[0].JSON)
	}
	if len(dst) == 0 {
		return dst, s.ended
	}
	return dst, nil
}

func (s *fakeSubscription) Ready() <-chan struct{} { return s.signal }
func (s *fakeSubscription) Close()                 { s.closed <- struct{}{} } // twice is a fault

// message is an event of the channel.
func message(channel, json string) *hub.Message {
	return &hub.Message{Channel: channel, JSON: []byte(json)}
}

// missing is a gap of the channel.
func missing(channel, reason string, dropped int64) *hub.Message {
	return &hub.Message{Channel: channel, Gap: &hub.Gap{Channel: channel, Reason: reason, Dropped: dropped}}
}
