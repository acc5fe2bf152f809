package history

import (
	"slices"
	"time"

	"eventhub/internal/hub"
)

// checkReader: every event once, in order, from the oldest on.
func (c *checker) checkReader(f *Feed) {
	seen := map[place]bool{}
	last := map[string]Delivery{}
	for _, d := range c.byFeed[f.Name] {
		if before, ok := last[d.Topic]; ok && d.ID.Compare(before.ID) <= 0 && !c.rewritten(d.Topic, before.At, d.At) {
			c.Find(Order, "%s got %s of %s after %s", f.Name, d.ID, d.Topic, before.ID)
		}
		last[d.Topic] = d
		seen[place{d.Topic, d.ID}] = true
	}
	silent, begun := false, time.Duration(-1)
	for i := range c.Conns {
		if c.Conns[i].Feed != f.Name {
			continue
		}
		silent = c.silent(i, f) || silent
		if begun < 0 {
			begun = c.Conns[i].Opened
		}
	}
	for _, v := range c.order {
		p := v.confirmed()
		if p == nil || p.Channel || !f.wants(p) || silent && p.Final {
			continue
		}
		at := place{p.Topic, p.ID}
		_, kept := c.entries[at]
		switch {
		case seen[at]:
		case !kept && c.gone(p, begun): // the oldest that there was came later
		case !kept && c.covered(f.Name, at, v.attempts[0].Began, p.Replicated):
			c.Find(Announced, "%s: %s of %s", f.Name, at.id, at.topic)
		case !kept && !p.Replicated && c.forfeit(p.Topic, p.Ended):
			c.Find(Forfeited, "%s: %s of %s", f.Name, at.id, at.topic)
		default:
			c.Find(Hole, "%s did not get %s of %s (%q, confirmed at %s, in the stream: %v)", f.Name, at.id, at.topic, v.name, p.Ended, kept)
		}
	}
}

// checkBroadcast: what came to a channel while somebody listened came to him once, each
// hub's in order, or he was told.
func (c *checker) checkBroadcast(f *Feed) {
	for i := range c.Conns {
		if c.Conns[i].Feed == f.Name {
			c.checkSubscriber(f, i)
		}
	}
}

func (c *checker) checkSubscriber(f *Feed, i int) {
	conn := &c.Conns[i]
	seen := map[string]bool{}
	latest := map[[2]string]*Publish{} // of those that came, by channel and publishing hub
	for _, d := range c.deliveries[i] {
		if seen[d.Value] {
			c.Find(Duplicate, "connection %d of %s got %q twice", i, f.Name, d.Value)
		}
		seen[d.Value] = true
		v := c.values[d.Value]
		if v == nil || v.confirmed() == nil {
			continue
		}
		p := v.confirmed()
		from := [2]string{p.Topic, p.Hub}
		if before := latest[from]; before != nil && p.Ended < before.Began {
			c.Find(Order, "connection %d of %s got %q after %q, which hub %s was given later", i, f.Name, d.Value, before.Value, p.Hub)
		} else if before == nil || p.Began > before.Began {
			latest[from] = p
		}
	}
	silent := c.silent(i, f)
	end, tail := conn.Ended, c.Tail
	if end == 0 { // no fault holds anything up any more
		end, tail = c.Ended, Bounds{}.orDefault().Tail
	}
	for _, v := range c.order {
		p := v.confirmed()
		if p == nil || !p.Channel || !f.wants(p) || seen[v.name] || silent && p.Final {
			continue
		}
		if p.Began < conn.Opened || p.Ended+tail > end {
			continue
		}
		if c.told(i, p) {
			c.Find(Announced, "connection %d of %s: %q", i, f.Name, v.name)
			continue
		}
		c.Find(Hole, "connection %d of %s (hub %s, %s to %s) did not get %q, published to %s on hub %s, confirmed at %s", i, f.Name, conn.Hub,
			conn.Opened, end, v.name, p.Topic, p.Hub, p.Ended)
	}
}

// told says whether a subscriber heard in time that it may have missed a message.
func (c *checker) told(conn int, p *Publish) bool {
	return slices.ContainsFunc(c.Gaps, func(g Gap) bool {
		return g.Conn == conn && g.Topic == p.Topic && g.At >= p.Began && g.At <= p.Ended+c.Announce
	})
}

// silent finds a connection that was open when the last events were published, and heard
// of none.
func (c *checker) silent(i int, f *Feed) bool {
	conn := &c.Conns[i]
	if conn.Ended != 0 {
		return false
	}
	began := time.Duration(-1)
	for i := range c.Publishes {
		p := &c.Publishes[i]
		if p.Final && p.Outcome == OK && p.Channel == (f.Kind == Broadcast) && f.wants(p) && (began < 0 || p.Began < began) {
			began = p.Began
		}
	}
	if began < 0 || conn.Opened > began {
		return false
	}
	heard := slices.ContainsFunc(c.deliveries[i], func(d Delivery) bool { return d.At >= began }) ||
		slices.ContainsFunc(c.gaps[f.Name], func(g Gap) bool { return g.Conn == i && g.At >= began && g.Reason != hub.GapSlow })
	if mute := conn.Asked > 0 && !conn.Answered; !heard && !mute { // a mute one is told elsewhere
		c.Find(Silent, "connection %d of %s on hub %s heard of nothing since %s", i, f.Name, conn.Hub, began)
	}
	return !heard
}
