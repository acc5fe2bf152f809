package history

import (
	"slices"
	"time"

	"eventhub/internal/hub"
)

// late is within what time of the end of a fault a client may see what was sent to it
// before: some milliseconds, or more on a machine that is busy.
const late = time.Second

// concerns says whether a fault is one of a stream.
func (f *Fault) concerns(topic string) bool {
	return len(f.Topics) == 0 || slices.Contains(f.Topics, topic)
}

// hit says whether a fault was there between two moments.
func (f *Fault) hit(from, to time.Duration) bool { return f.Began <= to && f.Ended >= from }

// wiped says whether Redis forgot a stream between two moments.
func (c *checker) wiped(topic string, from, to time.Duration) bool {
	return slices.ContainsFunc(c.Faults, func(f Fault) bool { return f.Wipes && f.concerns(topic) && f.hit(from, to) })
}

// gone says whether Redis forgot an event of a stream before some moment.
func (c *checker) gone(p *Publish, before time.Duration) bool {
	return slices.ContainsFunc(c.Faults, func(f Fault) bool {
		return f.Wipes && f.concerns(p.Topic) && p.Began <= f.Ended && f.Ended <= before
	})
}

// shock is when Redis first forgot something of a sink in a stream, from a moment on; the
// end of all when it did not.
func (c *checker) shock(sink, topic string, from time.Duration) time.Duration {
	first := c.Ended
	for _, f := range c.Faults {
		began := f.Began
		if f.Forfeits {
			began -= f.Lag
		}
		if (f.Wipes || f.Resets || f.Forfeits) && f.takes(sink, topic) && f.Ended >= from {
			first = min(first, max(began, from))
		}
	}
	return first
}

// takes says whether Redis may have forgotten what a sink had done in a stream.
func (f *Fault) takes(sink, topic string) bool {
	return f.concerns(topic) && (!f.Resets || len(f.Sinks) == 0 || slices.Contains(f.Sinks, sink))
}

// reset says whether a sink's group in a stream was forgotten between two moments.
func (c *checker) reset(sink, topic string, from, to time.Duration) bool {
	return c.wiped(topic, from, to) || slices.ContainsFunc(c.Faults, func(f Fault) bool {
		return f.Resets && f.concerns(topic) && (len(f.Sinks) == 0 || slices.Contains(f.Sinks, sink)) && f.hit(from, to)
	})
}

// forfeit says whether what Redis confirmed of a stream at a moment may have gone with a
// primary.
func (c *checker) forfeit(topic string, at time.Duration) bool { return c.forfeited(topic, at, at) }

func (c *checker) forfeited(topic string, from, to time.Duration) bool {
	return slices.ContainsFunc(c.Faults, func(f Fault) bool {
		return f.Forfeits && f.concerns(topic) && f.Began-f.Lag <= to && f.Ended >= from
	})
}

// rewritten says whether Redis may have forgotten events of a stream between two moments.
func (c *checker) rewritten(topic string, from, to time.Duration) bool {
	return c.wiped(topic, from, to) || c.forfeited(topic, from, to)
}

// shaken says whether it may have forgotten anything of a sink in a stream.
func (c *checker) shaken(sink, topic string, from, to time.Duration) bool {
	return c.reset(sink, topic, from, to) || c.forfeited(topic, from, to)
}

// covered says whether a feed was told that it misses an event that its stream has no more:
// of what is there still, no gap tells the truth. What is durable, as a replica had it, no
// failover may take, told or not.
func (c *checker) covered(feed string, at place, published time.Duration, durable bool) bool {
	return slices.ContainsFunc(c.gaps[feed], func(g Gap) bool {
		if g.Topic != at.topic || g.At < published {
			return false
		}
		if g.Reason == hub.GapReset {
			return c.wiped(at.topic, published, g.At) || !durable && c.forfeit(at.topic, published)
		}
		return at.id.Compare(g.From) >= 0 && at.id.Compare(g.To) <= 0
	})
}
