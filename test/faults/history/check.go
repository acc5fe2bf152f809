package history

import (
	"cmp"
	"time"

	"eventhub/internal/hub"
)

// Bounds are times that a check allows, as nothing tells exactly when they end.
type Bounds struct {
	// InFlight is how long after an ack was confirmed a redelivery may still come over a
	// connection that was there before: 5 s, and what the fault has held it up.
	InFlight time.Duration
	// Tail is how long before the end of a subscriber's connection a message may have been
	// published that did not reach it any more: 3 s. One that is open at the end has no more
	// than that, whatever a fault has held up.
	Tail time.Duration
	// Announce is within what time a gap tells of a broadcast message that is missing: 10 s,
	// and what the fault has held it up.
	Announce time.Duration
}

func (b Bounds) orDefault() Bounds {
	return Bounds{
		InFlight: cmp.Or(b.InFlight, 5*time.Second),
		Tail:     cmp.Or(b.Tail, 3*time.Second),
		Announce: cmp.Or(b.Announce, 10*time.Second),
	}
}

// Check says what is wrong with a history.
func Check(h *History, bounds Bounds) *Verdict {
	c := &checker{History: h, Bounds: bounds.orDefault(), Verdict: Verdict{Counts: map[Violation]int{}}}
	c.index()
	c.checkValues()
	c.checkBatches()
	c.checkFilters()
	c.checkAcks()
	for i := range h.Feeds {
		f := &h.Feeds[i]
		switch f.Kind {
		case Sink:
			c.checkSink(f)
		case Reader:
			c.checkReader(f)
		case Broadcast:
			c.checkBroadcast(f)
		}
	}
	for i := range h.Conns {
		if conn := &h.Conns[i]; conn.Ended == 0 && conn.Asked > 0 && !conn.Answered {
			c.Find(Silent, "connection %d of %s on hub %s did not answer", i, conn.Feed, conn.Hub)
		}
	}
	c.Figures = figures(c)
	return &c.Verdict
}

// place is an event in a stream.
type place struct {
	topic string
	id    hub.ID
}

// value is all that is known of what was published.
type value struct {
	name     string
	attempts []Publish
	ids      map[place]bool // it has, in entries, answers and deliveries
	stored   int            // entries at the end
}

// confirmed is the attempt that was, or nil.
func (v *value) confirmed() *Publish {
	for i := range v.attempts {
		if v.attempts[i].Outcome == OK {
			return &v.attempts[i]
		}
	}
	return nil
}

// checker is one check under way.
type checker struct {
	*History
	Bounds
	Verdict

	values     map[string]*value
	order      []*value              // as they were published
	byFeed     map[string][]Delivery // as they came
	gaps       map[string][]Gap      // by feed
	acks       map[string]map[place][]Ack
	owed       map[string]map[string]Owed // by sink and stream
	entries    map[place]string
	deliveries map[int][]Delivery // by connection
}

func (c *checker) index() {
	c.values, c.entries = map[string]*value{}, map[place]string{}
	for _, p := range c.Publishes {
		v := c.values[p.Value]
		if v == nil {
			v = &value{name: p.Value, ids: map[place]bool{}}
			c.values[p.Value] = v
			c.order = append(c.order, v)
		}
		v.attempts = append(v.attempts, p)
		if p.Outcome == OK && !p.Channel {
			v.ids[place{p.Topic, p.ID}] = true
		}
	}
	for _, e := range c.Entries {
		c.entries[place{e.Topic, e.ID}] = e.Value
	}
	c.byFeed, c.deliveries = map[string][]Delivery{}, map[int][]Delivery{}
	for _, d := range c.Deliveries {
		feed := c.Conns[d.Conn].Feed
		c.byFeed[feed] = append(c.byFeed[feed], d)
		c.deliveries[d.Conn] = append(c.deliveries[d.Conn], d)
	}
	c.gaps = map[string][]Gap{}
	for _, g := range c.Gaps {
		feed := c.Conns[g.Conn].Feed
		c.gaps[feed] = append(c.gaps[feed], g)
	}
	c.acks = map[string]map[place][]Ack{}
	for _, a := range c.Acks {
		feed := c.Conns[a.Conn].Feed
		if c.acks[feed] == nil {
			c.acks[feed] = map[place][]Ack{}
		}
		at := place{a.Topic, a.ID}
		c.acks[feed][at] = append(c.acks[feed][at], a)
	}
	c.owed = map[string]map[string]Owed{}
	for _, o := range c.Owed {
		if c.owed[o.Sink] == nil {
			c.owed[o.Sink] = map[string]Owed{}
		}
		c.owed[o.Sink][o.Topic] = o
	}
}
