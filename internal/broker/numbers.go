package broker

import (
	"maps"
	"sync"
	"time"
)

// numbers counts what this hub has sent to each broadcast channel, so that
// subscribers' hubs see what is missing. A message gets its number when it is about
// to be sent, by the lane, so that the order of numbers is that of messages.
type numbers struct {
	mu       sync.Mutex // protects the fields below
	epoch    uint64     // of the last that was begun
	counts   map[string]*count
	restless map[string]struct{} // channels that were sent to since the last tick
	quieting map[string]struct{} // those of the tick before, of which no mark has told yet
}

// count is one channel's.
type count struct {
	epoch, n    uint64
	began, sent time.Time
}

const (
	// mostCounts bounds the channels that are counted. Messages to others have the
	// number 0, and nobody notices when they are lost.
	mostCounts = 100_000
	// A count that was not used for a while is begun anew.
	countLife = time.Minute
)

func newNumbers() *numbers {
	return &numbers{counts: map[string]*count{}, restless: map[string]struct{}{}, quieting: map[string]struct{}{}}
}

// next numbers so many messages to a channel. It returns the stamp of the first.
func (n *numbers) next(channel string, messages int, now time.Time) stamp {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.counts[channel]
	if c == nil {
		if len(n.counts) >= mostCounts {
			return stamp{}
		}
		n.epoch++
		c = &count{epoch: n.epoch, began: now}
		n.counts[channel] = c
	}
	first := stamp{epoch: c.epoch, n: c.n + 1, age: now.Sub(c.began)}
	c.n += uint64(messages)
	c.sent = now
	n.restless[channel] = struct{}{}
	return first
}

// retract takes the numbers of messages back that certainly were not sent. Those of
// later ones must have been taken back before.
func (n *numbers) retract(channel string, first stamp, messages int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.counts[channel]; c != nil && c.epoch == first.epoch && c.n == first.n+uint64(messages)-1 {
		c.n = first.n - 1
	}
}

// last is the stamp of a mark.
func (n *numbers) last(channel string, now time.Time) stamp {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.counts[channel]
	if c == nil {
		return stamp{}
	}
	return stamp{epoch: c.epoch, n: c.n, age: now.Sub(c.began)}
}

// tick returns the channels that have been quiet for an interval and whose last
// message no mark has followed yet.
func (n *numbers) tick() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var quiet []string
	for channel := range n.quieting {
		if _, ok := n.restless[channel]; !ok {
			quiet = append(quiet, channel)
		}
	}
	n.quieting, n.restless = n.restless, map[string]struct{}{}
	return quiet
}

// again has a mark follow once more: the last one may not have come through.
func (n *numbers) again(channel string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.restless[channel] = struct{}{}
}

// allAgain is the same for everything that was sent lately.
func (n *numbers) allAgain() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for channel := range n.counts {
		n.restless[channel] = struct{}{}
	}
}

// forget drops counts that were not used for long, and of which marks have told.
func (n *numbers) forget(now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.counts, func(channel string, c *count) bool {
		_, restless := n.restless[channel]
		_, quieting := n.quieting[channel]
		return now.Sub(c.sent) > countLife && !restless && !quieting
	})
}
