package broker

import (
	"time"

	"eventhub/internal/hub"
)

// batch is events that were assigned together.
type batch struct {
	events []hub.Event
	born   time.Time // they were assigned
	since  time.Time // their leases began
	span   span      // of the events, and perhaps of others
}

// span is of ids: from the lowest to the highest.
type span struct{ low, high hub.ID }

// include makes it wide enough for an id; the zero span is that of none.
func (s *span) include(id hub.ID) {
	switch {
	case *s == span{}:
		s.low, s.high = id, id
	case id.Compare(s.low) < 0:
		s.low = id
	case id.Compare(s.high) > 0:
		s.high = id
	}
}

func (s span) meets(other span) bool {
	return s.low.Compare(other.high) <= 0 && other.low.Compare(s.high) <= 0
}

// Take returns what was assigned since the last time: the dispatcher reads only
// for consumers that have asked, so little lies in the hub while its lease runs.
func (c *consumer) Take() (hub.Delivery, error) {
	now := time.Now()
	c.mu.Lock()
	if c.fault != nil {
		defer c.mu.Unlock()
		return hub.Delivery{}, c.fault
	}
	d := hub.Delivery{Notices: c.notices, Gaps: c.gaps}
	c.notices, c.gaps = nil, nil
	late := false
	if !c.paused.Load() && !c.stamping && c.due(now) {
		grace := time.Duration(c.grace.Load())
		if late = grace > 0 && now.Sub(c.queue[0].since) > grace; late {
			c.stamping = true // it counts from when it is handed over
		} else {
			d.Events = c.unqueue(now)
		}
	}
	asks := len(d.Events) == 0 && !late && !c.hungry.Swap(true)
	c.mu.Unlock()
	if late {
		c.sink.post(func() { c.sink.restamp(c) })
	} else if asks {
		c.sink.poke()
	}
	return d, nil
}

// due says whether what is queued makes a frame, or for a pull all that it can
// get now. Callers hold mu.
func (c *consumer) due(now time.Time) bool {
	if c.pull {
		return c.queued > 0 && (c.searched || c.queued >= c.spec.Prefetch || c.queuedBytes() >= c.spec.MaxBytes)
	}
	return c.queued > 0 && (c.queued >= c.spec.Batch || c.sealed || now.Sub(c.queue[0].born) >= c.spec.MaxLatency)
}

func (c *consumer) queuedBytes() int {
	sum := 0
	for _, b := range c.queue {
		for i := range b.events {
			sum += entrySize(&b.events[i])
		}
	}
	return sum
}

// unqueue takes about a frame out of the queue: what stays there was handed to
// nobody when the connection ends. Callers hold mu.
func (c *consumer) unqueue(now time.Time) []hub.Event {
	var events []hub.Event
	most := c.spec.Batch
	if c.pull {
		most = c.spec.Prefetch
	}
	for bytes := 0; len(c.queue) > 0 && (most == 0 && bytes < shareBytes || len(events) < most); {
		b := &c.queue[0]
		n := 0
		for ; n < len(b.events) && (most == 0 && bytes < shareBytes || len(events)+n < most); n++ {
			bytes += entrySize(&b.events[n])
		}
		if events == nil {
			events = b.events[:n:n]
		} else {
			events = append(events, b.events[:n]...)
		}
		if b.events = b.events[n:]; len(b.events) == 0 {
			c.queue[0] = batch{}
			c.queue = c.queue[1:]
		}
	}
	c.queued -= len(events)
	c.sealed = c.sealed && c.queued > 0
	c.arm(now)
	return events
}

// assign puts events where Take finds them. sealed: no more can come before
// these are settled.
func (c *consumer) assign(b batch, sealed bool) {
	c.mu.Lock()
	c.queue = append(c.queue, b)
	c.queued += len(b.events)
	c.sealed = sealed
	due := c.due(b.born)
	if due {
		c.hungry.Store(false)
	} else {
		c.arm(b.born)
	}
	c.mu.Unlock()
	if due {
		c.ready.give()
	}
}

// arm has Ready tell when the first event has waited for others long enough.
// Callers hold mu.
func (c *consumer) arm(now time.Time) {
	if c.spec.Batch == 0 || c.queued == 0 || c.fault != nil {
		return
	}
	wait := max(0, c.spec.MaxLatency-now.Sub(c.queue[0].born))
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, func() { c.ready.give() })
	} else {
		c.timer.Reset(wait)
	}
}

// names is the set of what is queued.
func (c *consumer) names() map[eventName]struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make(map[eventName]struct{}, c.queued)
	for _, b := range c.queue {
		for i := range b.events {
			names[eventName{b.events[i].Stream, b.events[i].ID}] = struct{}{}
		}
	}
	return names
}

// mayQueue says whether some of these may wait in the queue. What is acknowledged
// came before what waits, mostly, so that nobody need go through all of that for
// each ack.
func (c *consumer) mayQueue(ids []hub.ID) bool {
	var asked span
	for _, id := range ids {
		asked.include(id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.queue {
		if c.queue[i].span.meets(asked) {
			return true
		}
	}
	return false
}

// eventName is an event in the whole of Redis.
type eventName struct{ stream, id string }

// unclaimed empties the queue.
func (c *consumer) unclaimed() []hub.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	var events []hub.Event
	for _, b := range c.queue {
		events = append(events, b.events...)
	}
	c.queue, c.queued = nil, 0
	return events
}

// drop removes events from the queue that are not this consumer's any more, and
// says how many.
func (c *consumer) drop(gone func(eventName) bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued == 0 {
		return 0
	}
	before := c.queued
	kept := c.queue[:0]
	for _, b := range c.queue {
		events := make([]hub.Event, 0, len(b.events))
		for i := range b.events {
			if !gone(eventName{b.events[i].Stream, b.events[i].ID}) {
				events = append(events, b.events[i])
			}
		}
		c.queued -= len(b.events) - len(events)
		if b.events = events; len(events) > 0 {
			kept = append(kept, b)
		}
	}
	clear(c.queue[len(kept):])
	c.queue = kept
	c.arm(time.Now())
	return before - c.queued
}

// stamped: the leases of what is queued have started anew.
func (c *consumer) stamped(since time.Time) {
	c.mu.Lock()
	for i := range c.queue {
		c.queue[i].since = since
	}
	c.stamping = false
	c.mu.Unlock()
	c.ready.give()
}

// found notes that all there was has been looked at.
func (c *consumer) found() {
	c.mu.Lock()
	c.searched = true
	c.mu.Unlock()
	c.ready.give()
}
