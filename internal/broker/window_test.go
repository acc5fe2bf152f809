package broker

import (
	"testing"

	"eventhub/internal/hub"
)

// someItems are events from one id to another, each with so many bytes of JSON.
func someItems(from, to uint64, bytes int) []item {
	var items []item
	for ms := from; ms <= to; ms++ {
		items = append(items, item{event: hub.ReadEvent{ID: hub.ID{MS: ms}, JSON: make([]byte, bytes)}})
	}
	return items
}

func TestWindowHasAllBetweenItsEndsWithinItsBounds(t *testing.T) {
	t.Parallel()
	var w window
	for at, step := uint64(1), uint64(1); at < 20_000; at, step = at+step, step%300+7 {
		seen := w.items
		first := hub.ID{}
		if len(seen) > 0 {
			first = seen[0].event.ID
		}
		w.add(someItems(at, at+step-1, int(at%13)*1000))
		if w.hi.MS != at+step-1 || uint64(len(w.items)) != w.hi.MS-w.lo.MS {
			t.Fatalf("the window from %s to %s has %d events", w.lo, w.hi, len(w.items))
		}
		bytes := 0
		for i := range w.items {
			if bytes += w.items[i].size(); w.items[i].event.ID.MS != w.lo.MS+uint64(i)+1 {
				t.Fatalf("event %d after %s is %s", i, w.lo, w.items[i].event.ID)
			}
		}
		if bytes != w.bytes || bytes > windowBytes || len(w.items) > windowItems || w.dropped > windowBytes {
			t.Fatalf("%d events with %d bytes, counted %d, and %d dropped", len(w.items), bytes, w.bytes, w.dropped)
		}
		if len(seen) > 0 && seen[0].event.ID != first {
			t.Fatal("what a reader has seen was changed")
		}
	}
	w.add(someItems(30_000, 30_000, windowBytes))
	if len(w.items) != 0 || w.lo != w.hi || w.bytes != 0 {
		t.Errorf("of an event beyond the bounds remain %d, from %s to %s", len(w.items), w.lo, w.hi)
	}
}

func TestTrimmingBetweenTheCommandsOfAReadIsNoticed(t *testing.T) {
	t.Parallel()
	id := func(ms uint64) hub.ID { return hub.ID{MS: ms} }
	for _, c := range []struct {
		after, first, trimmed hub.ID
		missing, torn         bool
	}{
		{after: id(5), first: id(6), trimmed: hub.ID{}},
		{after: id(5), first: id(6), trimmed: id(5)},
		{after: id(5), first: id(9), trimmed: id(8), missing: true},
		{after: id(5), first: id(6), trimmed: id(6), torn: true},
		{after: id(5), first: id(6), trimmed: id(9), torn: true},
		{after: id(5), trimmed: id(9), missing: true},
		{after: id(5), trimmed: id(4)},
		{first: id(6), trimmed: id(5), missing: true},
	} {
		e := extent{first: c.first, trimmed: c.trimmed}
		if c.first != (hub.ID{}) {
			e.entries = []any{nil}
		}
		to, missing, torn := e.missing(c.after)
		if missing != c.missing || torn != c.torn || missing && to != c.trimmed {
			t.Errorf("%+v: missing up to %s %t, torn %t", c, to, missing, torn)
		}
	}
}
