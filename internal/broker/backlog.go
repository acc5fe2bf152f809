package broker

import (
	"cmp"
	"maps"
	"slices"

	"eventhub/internal/hub"
)

// backlog is the messages that wait for a subscriber, oldest first.
type backlog struct {
	missed map[missing]*hub.Gap // before all that waits: what was dropped
	queue  []*hub.Message       // from first on
	first  int
	events int                      // in queue
	bytes  int                      // of them
	last   map[missing]*hub.Message // gaps in queue that are the last word on their channel
}

// missing is what gaps have in common that are told as one.
type missing struct{ channel, reason string }

// keptPlaces is how many places of a queue are kept for later while nothing waits: a
// larger one is rare, and there are many subscribers.
const keptPlaces = 16

func (b *backlog) len() int { return len(b.queue) - b.first + len(b.missed) }

// fits says whether one more message may wait. The only one may be of any size. Gaps
// always fit: there are never more than of channels between two events.
func (b *backlog) fits(m *hub.Message, limits QueueLimits) bool {
	return m.Gap != nil || b.events == 0 || b.events < limits.Events && b.bytes+len(m.JSON) <= limits.Bytes
}

// put adds a message. Gaps of a channel that follow one another become one.
func (b *backlog) put(m *hub.Message) {
	if m.Gap != nil {
		b.putGap(*m.Gap)
		return
	}
	if len(b.last) > 0 {
		for _, reason := range []string{hub.GapReconnect, hub.GapLost} {
			delete(b.last, missing{m.Channel, reason})
		}
	}
	b.queue = append(b.queue, m)
	b.events++
	b.bytes += len(m.JSON)
}

func (b *backlog) putGap(gap hub.Gap) {
	what := missing{gap.Channel, gap.Reason}
	if known := b.last[what]; known != nil {
		known.Gap.Dropped += gap.Dropped
		return
	}
	m := &hub.Message{Channel: gap.Channel, Gap: &gap} // its own, as it may grow
	if b.last == nil {
		b.last = map[missing]*hub.Message{}
	}
	b.last[what] = m
	b.queue = append(b.queue, m)
}

// drop removes the oldest until a message fits, and notes what is missing then. It
// returns how many events have gone.
func (b *backlog) drop(m *hub.Message, limits QueueLimits) (events int) {
	for !b.fits(m, limits) {
		oldest := b.shift()
		if oldest.Gap != nil {
			b.miss(*oldest.Gap)
			continue
		}
		events++
		b.miss(hub.Gap{Channel: oldest.Channel, Reason: hub.GapSlow, Dropped: 1})
	}
	b.compact()
	return events
}

// miss adds to what is missing.
func (b *backlog) miss(gap hub.Gap) {
	if known := b.missed[missing{gap.Channel, gap.Reason}]; known != nil {
		known.Dropped += gap.Dropped
		return
	}
	if b.missed == nil {
		b.missed = map[missing]*hub.Gap{}
	}
	b.missed[missing{gap.Channel, gap.Reason}] = &gap
}

// take appends what is missing and what waits to dst, about so many bytes of events.
func (b *backlog) take(dst []*hub.Message, bytes int) []*hub.Message {
	if len(b.missed) > 0 {
		dst = b.takeMissed(dst)
	}
	for taken := 0; b.first < len(b.queue) && taken < bytes; {
		m := b.shift()
		dst = append(dst, m)
		taken += len(m.JSON)
	}
	b.compact()
	return dst
}

func (b *backlog) takeMissed(dst []*hub.Message) []*hub.Message {
	gaps := slices.SortedFunc(maps.Values(b.missed), func(x, y *hub.Gap) int {
		return cmp.Or(cmp.Compare(x.Channel, y.Channel), cmp.Compare(x.Reason, y.Reason))
	})
	for _, gap := range gaps {
		dst = append(dst, &hub.Message{Channel: gap.Channel, Gap: gap})
	}
	b.missed = nil
	return dst
}

// shift takes the oldest out.
func (b *backlog) shift() *hub.Message {
	m := b.queue[b.first]
	b.queue[b.first] = nil
	b.first++
	b.gone(m)
	return m
}

// gone: a message is not in the queue any more.
func (b *backlog) gone(m *hub.Message) {
	if m.Gap == nil {
		b.events--
		b.bytes -= len(m.JSON)
	} else if what := (missing{m.Channel, m.Gap.Reason}); b.last[what] == m {
		delete(b.last, what)
	}
}

// compact reuses the places at the front once they are the greater part.
func (b *backlog) compact() {
	waiting := len(b.queue) - b.first
	switch {
	case waiting == 0 && cap(b.queue) > keptPlaces:
		b.queue, b.last = nil, nil
	case b.first > waiting:
		n := copy(b.queue, b.queue[b.first:])
		clear(b.queue[n:])
		b.queue = b.queue[:n]
	default:
		return
	}
	b.first = 0
}

// remove forgets what is of these channels.
func (b *backlog) remove(channels []string) {
	gone := make(map[string]bool, len(channels))
	for _, channel := range channels {
		gone[channel] = true
	}
	maps.DeleteFunc(b.missed, func(m missing, _ *hub.Gap) bool { return gone[m.channel] })
	b.queue = slices.DeleteFunc(b.queue[b.first:], func(m *hub.Message) bool {
		if gone[m.Channel] {
			b.gone(m)
		}
		return gone[m.Channel]
	})
	b.first = 0
}
