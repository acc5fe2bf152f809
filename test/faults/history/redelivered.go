package history

import (
	"slices"
	"time"
)

// redelivered is the longest that an event, held by a connection which ended as its hub
// was killed, waited from then on until it came again, anywhere, or its ack was confirmed.
// One that did neither waits until the end, unless an ack that was never answered may have
// settled it, or it is a dead letter. 0 where nothing was held.
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
	for i, held := range seen {
		end, killed := c.killed(held.Conn)
		switch {
		case !killed, i+1 < len(seen) && seen[i+1].At <= end: // somebody else has it by then
			continue
		case i+1 < len(seen) && c.redrivenBetween(f.Name, end, seen[i+1].At): // it was a dead letter
			continue
		case i+1 < len(seen):
			longest = max(longest, seen[i+1].At-end)
			continue
		}
		// It came no more. An ack that is confirmed after the end counts from there.
		settled := time.Duration(-1)
		for _, a := range acks {
			if a.Done && (settled < 0 || a.Confirmed < settled) {
				settled = a.Confirmed
			}
		}
		switch {
		case settled >= 0:
			longest = max(longest, settled-end)
		case slices.ContainsFunc(acks, func(a Ack) bool { return c.mayBe(&a) }):
		case slices.Contains(c.owed[f.Name][at.topic].Dead, at.id):
		default:
			longest = max(longest, c.Ended-end)
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
