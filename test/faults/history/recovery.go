package history

import "time"

// recovery is how long after the end of the last fault the slowest sink or reader had its
// first event of those that were confirmed since; -1 where one never had any, or nothing
// was confirmed that a feed wants.
func (c *checker) recovery() (longest time.Duration) {
	var healed time.Duration
	for _, fault := range c.Faults {
		healed = max(healed, fault.Ended)
	}
	longest = -1
	for i := range c.Feeds {
		f := &c.Feeds[i]
		since := c.confirmedSince(f, healed)
		if f.Kind == Broadcast || len(since) == 0 {
			continue
		}
		took := time.Duration(-1)
		for _, d := range c.byFeed[f.Name] {
			if since[place{d.Topic, d.ID}] {
				took = max(d.At-healed, 0) // it may be seen before it is confirmed
				break
			}
		}
		if took < 0 {
			return -1
		}
		longest = max(longest, took)
	}
	return longest
}

// confirmedSince are the events of a feed that were confirmed from a moment on.
func (c *checker) confirmedSince(f *Feed, from time.Duration) map[place]bool {
	events := map[place]bool{}
	for i := range c.Publishes {
		if p := &c.Publishes[i]; !p.Channel && p.Outcome == OK && p.Ended >= from && f.wants(p) {
			events[place{p.Topic, p.ID}] = true
		}
	}
	return events
}
