package history

import (
	"cmp"
	"slices"
	"time"
)

// checkSink: what was confirmed is settled, redeliveries say so, and nothing comes back.
func (c *checker) checkSink(f *Feed) {
	seen := map[place][]Delivery{}
	for _, d := range c.byFeed[f.Name] {
		at := place{d.Topic, d.ID}
		seen[at] = append(seen[at], d)
	}
	for _, v := range c.order {
		if p := &v.attempts[0]; p.Channel || !f.wants(p) {
			continue
		}
		for at := range v.ids {
			c.checkFate(f, v, at, seen[at])
		}
	}
	for at, list := range seen {
		c.checkAttempts(f, at, list)
		c.checkSettled(f, at, list)
	}
	if f.Strict {
		c.checkStrict(f)
	}
}

// checkFate: an event that is certainly stored was acked, or is known to be elsewhere.
func (c *checker) checkFate(f *Feed, v *value, at place, seen []Delivery) {
	_, kept := c.entries[at]
	published, confirmed := v.attempts[0].Ended, false
	replicated := false
	for i := range v.attempts {
		if p := &v.attempts[i]; p.Outcome == OK && p.ID == at.id {
			published, confirmed, replicated = p.Ended, true, p.Replicated
		}
	}
	owed, done, mayBe := c.owed[f.Name][at.topic], false, false
	for _, a := range c.acks[f.Name][at] {
		done = done || a.Done
		mayBe = mayBe || c.mayBe(&a)
	}
	switch {
	case !confirmed && !kept && len(seen) == 0: // nobody has said that it is there
	case slices.Contains(owed.Pending, at.id):
		c.Find(Pending, "%s: %s of %s is still held by somebody", f.Name, at.id, at.topic)
	case done:
	case slices.Contains(owed.Dead, at.id) && c.redriven(f.Name):
		c.Find(Pending, "%s: %s of %s is a dead letter, though all were redriven", f.Name, at.id, at.topic)
	case slices.Contains(owed.Dead, at.id):
		c.Find(Dead, "%s: %s of %s", f.Name, at.id, at.topic)
	case kept && at.id.Compare(owed.Delivered) > 0:
		c.Find(Undelivered, "%s: %s of %s is behind where the group is", f.Name, at.id, at.topic)
	case mayBe:
	case !kept && c.covered(f.Name, at, v.attempts[0].Began, replicated):
		c.Find(Announced, "%s: %s of %s", f.Name, at.id, at.topic)
	case !kept && !replicated && c.forfeit(at.topic, published), !kept && !confirmed:
		c.Find(Forfeited, "%s: %s of %s", f.Name, at.id, at.topic)
	default:
		c.Find(Lost, "%s: %s of %s (%q, confirmed at %s, in the stream: %v, delivered %d times) was never acked, and nobody told of it",
			f.Name, at.id, at.topic, v.name, published, kept, len(seen))
	}
}

// checkAttempts: a delivery that somebody saw has been counted for all that come later. A
// connection that was there before may have been given the event first, and see it last.
// A redrive begins anew. What a drain takes back costs no attempt, nor what a strict sink does because an older
// event has failed.
func (c *checker) checkAttempts(f *Feed, at place, seen []Delivery) {
	for i, s := range seen {
		for _, before := range seen[:i] {
			later := s.Conn == before.Conn || c.Conns[s.Conn].Opened >= before.At
			grown := s.Attempt > before.Attempt || s.Attempt == before.Attempt && (f.Strict || c.Conns[before.Conn].Drained)
			grown = grown || c.redrivenBetween(f.Name, before.At, s.At)
			if later && !grown && !c.shaken(f.Name, at.topic, before.At-late, s.At) {
				c.Find(Unflagged, "%s: %s of %s came at %s as attempt %d (connection %d), and at %s as attempt %d (connection %d)",
					f.Name, at.id, at.topic, before.At, before.Attempt, before.Conn, s.At, s.Attempt, s.Conn)
				return
			}
		}
	}
}

// checkSettled: after its ack is confirmed, an event comes at most once more to a
// connection that was there before, and soon. To that which acked it nothing can be under
// way, unless the sink's group was lost while it had the event: what it had comes again.
func (c *checker) checkSettled(f *Feed, at place, seen []Delivery) {
	var ack *Ack
	acks := c.acks[f.Name][at]
	for i := range acks {
		if a := &acks[i]; a.Done && (ack == nil || a.Confirmed < ack.Confirmed) {
			ack = a
		}
	}
	if ack == nil {
		return
	}
	after := map[int]int{}
	for _, s := range seen {
		if s.At <= ack.Confirmed || c.reset(f.Name, at.topic, ack.Sent, s.At) || c.forfeit(at.topic, ack.Confirmed) || c.forfeit(at.topic, ack.Sent) {
			continue
		}
		after[s.Conn]++
		own := s.Conn == ack.Conn && !c.reset(f.Name, at.topic, seen[0].At-late, ack.Confirmed)
		if own || c.Conns[s.Conn].Opened > ack.Confirmed || after[s.Conn] > 1 || s.At > ack.Confirmed+c.InFlight {
			c.Find(AfterAck, "%s: %s of %s was acked on connection %d, confirmed at %s, and came at %s to connection %d (hub %s, opened at %s) as attempt %d",
				f.Name, at.id, at.topic, ack.Conn, ack.Confirmed, s.At, s.Conn, c.Conns[s.Conn].Hub, c.Conns[s.Conn].Opened, s.Attempt)
			return
		}
	}
}

// checkStrict: of any two events, the older one comes first for the first time.
func (c *checker) checkStrict(f *Feed) {
	type first struct {
		place
		at    time.Duration
		order int
	}
	var firsts []first
	known := map[place]bool{}
	for i, d := range c.byFeed[f.Name] {
		if at := (place{d.Topic, d.ID}); !known[at] {
			known[at] = true
			firsts = append(firsts, first{at, d.At, i})
		}
	}
	slices.SortFunc(firsts, func(x, y first) int {
		return cmp.Or(cmp.Compare(x.topic, y.topic), x.id.Compare(y.id))
	})
	for i := 1; i < len(firsts); i++ {
		older, younger := firsts[i-1], firsts[i]
		if older.topic == younger.topic && older.order > younger.order && !c.shaken(f.Name, older.topic, younger.at-late, older.at) {
			c.Find(Order, "%s: %s of %s came at %s, after the younger %s at %s", f.Name, older.id, older.topic, older.at, younger.id, younger.at)
		}
	}
}
