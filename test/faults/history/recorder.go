package history

import (
	"slices"
	"sync"
	"time"
)

// Recorder takes down a history. It is safe for concurrent use.
type Recorder struct {
	began time.Time

	mu sync.Mutex // protects the field below
	h  History
}

// NewRecorder starts the clock.
func NewRecorder() *Recorder { return &Recorder{began: time.Now()} }

// Now is the time on the history's clock.
func (r *Recorder) Now() time.Duration { return time.Since(r.began) }

// Feed notes that there is one.
func (r *Recorder) Feed(f Feed) { r.note(func(h *History) { h.Feeds = append(h.Feeds, f) }) }

// Publish notes an attempt that has ended.
func (r *Recorder) Publish(p Publish) {
	r.note(func(h *History) { h.Publishes = append(h.Publishes, p) })
}

// Open notes a connection that is ready, and returns its number.
func (r *Recorder) Open(feed, on string) (conn int) {
	r.note(func(h *History) {
		conn = len(h.Conns)
		h.Conns = append(h.Conns, Conn{Feed: feed, Hub: on, Opened: r.Now()})
	})
	return conn
}

// Conn changes what is known of a connection.
func (r *Recorder) Conn(conn int, change func(c *Conn)) {
	r.note(func(h *History) { change(&h.Conns[conn]) })
}

// Close notes that a connection has ended.
func (r *Recorder) Close(conn int) {
	r.Conn(conn, func(c *Conn) { c.Ended = r.Now() })
}

// Deliver notes events that have come, with the time of now.
func (r *Recorder) Deliver(list []Delivery) {
	r.note(func(h *History) {
		now := r.Now()
		for i := range list {
			list[i].At = now
		}
		h.Deliveries = append(h.Deliveries, list...)
	})
}

// Acks notes acks before they are sent, and returns the number of the first.
func (r *Recorder) Acks(list []Ack) (first int) {
	r.note(func(h *History) {
		first = len(h.Acks)
		now := r.Now()
		for i := range list {
			list[i].Sent = now
		}
		h.Acks = append(h.Acks, list...)
	})
	return first
}

// Answer notes what became of an ack.
func (r *Recorder) Answer(ack int, done bool) {
	r.note(func(h *History) {
		a := &h.Acks[ack]
		a.Confirmed, a.Done, a.Refused = r.Now(), done, !done
	})
}

// Fail notes that an ack was answered by an error.
func (r *Recorder) Fail(ack int) {
	r.note(func(h *History) { h.Acks[ack].Failed = r.Now() })
}

// Gap notes what a connection was told, with the time of now.
func (r *Recorder) Gap(g Gap) {
	r.note(func(h *History) {
		g.At = r.Now()
		h.Gaps = append(h.Gaps, g)
	})
}

// Redrive notes what was asked for, whatever came of it.
func (r *Recorder) Redrive(d Redrive) {
	r.note(func(h *History) { h.Redrives = append(h.Redrives, d) })
}

// Fault notes what was done.
func (r *Recorder) Fault(f Fault) { r.note(func(h *History) { h.Faults = append(h.Faults, f) }) }

// History is all that was taken down, ended now.
func (r *Recorder) History() History {
	var all History
	r.note(func(h *History) {
		all = *h
		all.Ended = r.Now()
		all.Feeds, all.Publishes, all.Conns = slices.Clone(h.Feeds), slices.Clone(h.Publishes), slices.Clone(h.Conns)
		all.Deliveries, all.Acks = slices.Clone(h.Deliveries), slices.Clone(h.Acks)
		all.Gaps, all.Faults = slices.Clone(h.Gaps), slices.Clone(h.Faults)
		all.Redrives = slices.Clone(h.Redrives)
	})
	return all
}

// note changes the history. Times are taken under the lock, so they grow as the lists do.
func (r *Recorder) note(change func(h *History)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.h)
}
