package broker

import (
	"strings"
	"time"
)

// arrivals is what has come on a channel from each hub, so that it shows when
// something is missing. It belongs to the receiver of pub/sub.
type arrivals struct {
	since time.Time // when it could be heard; nothing is known of what was before
	from  map[string]*arrival
}

// arrival is what has come from one hub.
type arrival struct {
	epoch, last uint64
	met         uint64 // messages up to this were before it was heard of: they are no late ones
	at          time.Time
}

const (
	// transit is how long a message may be on its way to Redis, for it to be certain
	// that a hub began to count after this one began to listen: its stamp is older by so
	// much. A connection gives up sooner.
	transit = 3 * time.Second
	// Hubs come and go; of one that was not heard for a while nothing is known any
	// more, which is safe: its next message is a new beginning.
	manyHubs   = 64
	forgetting = 10 * time.Minute
)

// begin: from now on everything is heard.
func (a *arrivals) begin(now time.Time) { a.since, a.from = now, nil }

// follow notes that a message has come, or a mark. missing is how many there should
// have been before it, and late says that it is one of those that were missing: what is
// behind it was told already. heard is a time at which this hub had heard all that
// there was.
func (a *arrivals) follow(s stamp, message bool, heard time.Time) (missing uint64, late bool) {
	if s.n == 0 {
		return 0, false
	}
	before := s.n // how many there must have been
	if message {
		before--
	}
	known := a.from[s.hub]
	switch {
	case known == nil:
		known = a.meet(s.hub)
		// What was before this hub listened cannot be missing.
		known.last, known.met = before, before
		if heard.Sub(a.since)-transit > s.age {
			known.last, known.met = 0, 0
		}
	case s.epoch > known.epoch:
		known.last, known.met = 0, 0
	case s.epoch == known.epoch && s.n <= known.met:
		return 0, false
	case s.epoch < known.epoch, message && s.n <= known.last:
		return 0, message
	}
	if before > known.last {
		missing = before - known.last
	}
	known.epoch, known.last, known.at = s.epoch, max(known.last, s.n), time.Now()
	return missing, false
}

// meet makes room for a hub.
func (a *arrivals) meet(name string) *arrival {
	if len(a.from) >= manyHubs {
		for name, known := range a.from {
			if time.Since(known.at) > forgetting {
				delete(a.from, name)
			}
		}
	}
	if len(a.from) >= 4*manyHubs { // those are no hubs
		a.begin(time.Now())
	}
	if a.from == nil {
		a.from = map[string]*arrival{}
	}
	known := &arrival{}
	a.from[strings.Clone(name)] = known
	return known
}
