package history

import (
	"slices"
	"time"
)

// redelivered is the longest that an event, held by a connection which ended as its hub
// was killed, waited from then on until it came again, anywhere, or its ack was confirmed.
// One that did neither waits until the end, unless an ack that was never answered may have
// settled it, or it is a dead letter. What Redis forgot waits for nothing after that. 0
// where nothing was held.
func (c *checker) redelivered() (longest time.Duration) {
	for _, f := range c.Feeds {
		if f.Kind != Sink {
			continue
		}
		seen := map[place][]Delivery{}
		for _, d := range c.byFeed[f.Name] {
			at := place{d.Topic, d.ID}
			seen[at] = append(seen[at], d)
		}
		for at, list := range seen {
			longest = max(longest, c.regained(&f, at, list))
		}
	}
	return longest
}

// regained is the longest of one event, of which these are the deliveries.
func (c *checker) regained(f *Feed, at place, seen []Delivery) (longest time.Duration) {
	acks := c.acks[f.Name][at]
	settled := c.Ended
	for _, a := range acks {
		if a.Done {
			settled = min(settled, a.Confirmed)
		}
	}
	mayBe := slices.ContainsFunc(acks, func(a Ack) bool { return c.mayBe(&a) })
	for i, held := range seen {
		end, killed := c.killed(held.Conn)
		again := i+1 < len(seen)
		if !killed || again && seen[i+1].At <= end { // somebody else has it by then
			continue
		}
		until := settled
		if again {
			until = min(until, seen[i+1].At)
		}
		shock := c.shock(f.Name, at.topic, end)
		switch {
		case again && c.redrivenBetween(f.Name, end, seen[i+1].At): // it was a dead letter
		case mayBe && (until == c.Ended || shock < until): // it may have been done before
		case until == c.Ended && slices.Contains(c.owed[f.Name][at.topic].Dead, at.id):
		default:
			longest = max(longest, min(until, shock)-end)
		}
	}
	return longest
}

// killed says when a connection ended, if a hub's death ended it.
func (c *checker) killed(conn int) (end time.Duration, killed bool) {
	held := &c.Conns[conn]
	killed = slices.ContainsFunc(c.Faults, func(f Fault) bool {
		return f.Kills && f.Hub == held.Hub && held.Opened < f.Began && held.Ended >= f.Began
	})
	return held.Ended, killed
}
