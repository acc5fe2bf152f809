package history

import "time"

// Figures are what a history comes to. Durations are measured by clients that share the
// machine with all else, so they are upper bounds.
type Figures struct {
	Published int // events and messages that were confirmed
	Refused   int // attempts
	Unknown   int // attempts
	Delivered int // events that a sink had for the first time, readers' and messages apart
	Again     int // deliveries to a sink beyond the first
	Heard     int // events of readers, and messages
	Redriven  int // dead letters that were made to come again

	Outages  map[string]time.Duration // of each stream: the longest without a confirmed publish, while there were attempts
	Outage   time.Duration            // the longest of any stream
	Latest   time.Duration            // the longest that an event waited for its first delivery to a sink
	Recovery time.Duration            // from the end of the last fault until the slowest sink or reader had an event confirmed since; -1: never

	// Redelivered is the longest that an event which a killed hub's connection held waited,
	// from the end of that connection, until it came again or was settled.
	Redelivered time.Duration
}

func figures(c *checker) Figures {
	f := Figures{Recovery: c.recovery(), Outages: outages(c.Publishes), Redelivered: c.redelivered()}
	for _, d := range c.Redrives {
		f.Redriven += d.Count
	}
	for _, d := range f.Outages {
		f.Outage = max(f.Outage, d)
	}
	published := map[place]time.Duration{}
	for _, p := range c.Publishes {
		switch p.Outcome {
		case Failed:
			f.Refused++
		case Unknown:
			f.Unknown++
		case OK:
			f.Published++
			if !p.Channel {
				published[place{p.Topic, p.ID}] = p.Ended
			}
		}
	}
	for _, feed := range c.Feeds {
		known := map[place]bool{}
		for _, d := range c.byFeed[feed.Name] {
			if feed.Kind != Sink {
				f.Heard++
				continue
			}
			at := place{d.Topic, d.ID}
			if known[at] {
				f.Again++
				continue
			}
			known[at] = true
			f.Delivered++
			confirmed, ok := published[at]
			if !ok {
				continue
			}
			f.Latest = max(f.Latest, d.At-max(confirmed, c.lastKill(d.At)))
		}
	}
	return f
}

// lastKill is when the last hub was killed before a moment, 0 for never: what is promised of
// an event counts from then, as the next hub that has it may be killed, too.
func (c *checker) lastKill(before time.Duration) (last time.Duration) {
	for _, f := range c.Faults {
		if f.Kills && f.Began < before {
			last = max(last, f.Began)
		}
	}
	return last
}
