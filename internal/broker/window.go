package broker

import (
	"bytes"
	"slices"
	"sort"

	"eventhub/internal/hub"
)

// item is an event as readers get it, or a gap in its place; it is shared, and
// never changed.
type item struct {
	event      hub.ReadEvent
	topic, typ string   // what readers filter by
	gap        *hub.Gap // up to event.ID; nil for an event
}

// itemBytes is what an item takes besides its texts.
const itemBytes = 128

func (i *item) size() int { return itemBytes + len(i.event.JSON) + len(i.topic) + len(i.typ) }

func gapItem(stream string, to hub.ID) item {
	return item{
		event: hub.ReadEvent{Stream: stream, ID: to},
		gap:   &hub.Gap{Stream: stream, To: to, Reason: hub.GapTrimmed},
	}
}

// itemsOf decodes the entries of a stream that come after an id. size is that of
// the entries, as entrySize counts.
func itemsOf(stream string, entries []any, after hub.ID) (items []item, size int) {
	items = make([]item, 0, len(entries)+1) // a gap may come first
	var scratch []byte
	for _, entry := range entries {
		d, ok := decodeEntry(stream, entry)
		if !ok || d.id.Compare(after) <= 0 {
			continue
		}
		size += entrySize(&d.event)
		scratch = d.event.AppendJSON(scratch[:0])
		items = append(items, item{
			event: hub.ReadEvent{Stream: stream, ID: d.id, JSON: bytes.Clone(scratch)},
			topic: d.event.Topic, typ: d.event.Type,
		})
	}
	return items, size
}

// window is the latest events of a stream: all that the log had after lo, up to
// hi. Readers keep items that they have seen of it, so these are never written to.
type window struct {
	items   []item
	bytes   int
	dropped int // bytes before items that their slice still holds
	lo, hi  hub.ID
}

// Bounds of a window. A reader that is further behind reads history.
const (
	windowItems = 1000
	windowBytes = 2 << 20
)

// add appends what comes after hi, and drops the oldest beyond the bounds.
func (w *window) add(items []item) {
	for i := range items {
		w.bytes += items[i].size()
		w.hi = items[i].event.ID
	}
	w.items = append(w.items, items...)
	drop := 0
	for ; drop < len(w.items) && (len(w.items)-drop > windowItems || w.bytes > windowBytes); drop++ {
		w.bytes -= w.items[drop].size()
		w.dropped += w.items[drop].size()
		w.lo = w.items[drop].event.ID
	}
	if w.items = w.items[drop:]; w.dropped > windowBytes {
		w.items, w.dropped = slices.Clone(w.items), 0
	}
}

// forget drops one event.
func (w *window) forget(id hub.ID) {
	i := slices.IndexFunc(w.items, func(it item) bool { return it.gap == nil && it.event.ID == id })
	if i < 0 {
		return
	}
	w.bytes -= w.items[i].size()
	items := slices.Clone(w.items[:i])
	w.items, w.dropped = append(items, w.items[i+1:]...), 0
}

// itemsAfter are those of ascending items that come after an id.
func itemsAfter(items []item, id hub.ID) []item {
	return items[sort.Search(len(items), func(i int) bool { return items[i].event.ID.Compare(id) > 0 }):]
}

// hasItem says whether there is one of that id.
func hasItem(items []item, id hub.ID) bool {
	rest := itemsAfter(items, id.Before())
	return len(rest) > 0 && rest[0].event.ID == id
}
