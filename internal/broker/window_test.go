package broker

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
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

func TestWhatRetentionHasRemovedIsMissingUpToTheFirstEntry(t *testing.T) {
	t.Parallel()
	id := func(ms uint64) hub.ID { return hub.ID{MS: ms} }
	for _, c := range []struct{ after, first, trimmed, want hub.ID }{
		{after: id(5), first: id(6), trimmed: hub.ID{}},
		{after: id(5), first: id(6), trimmed: id(5)},
		{after: id(5), first: id(9), trimmed: id(8), want: id(8)},
		{after: id(5), trimmed: id(9), want: id(9)},
		{after: id(5), trimmed: id(4)},
		{first: id(6), trimmed: id(5), want: id(5)},
		{after: id(5), first: id(8), trimmed: id(9), want: id(8).Before()}, // the mark is of a log that was lost
		{after: id(5), first: id(5).Next(), trimmed: id(9)},
	} {
		e := extent{first: c.first, trimmed: c.trimmed}
		if c.first != (hub.ID{}) {
			e.entries = []any{nil}
		}
		to, missing := e.missing(c.after)
		if missing != (c.want != hub.ID{}) || missing && to != c.want {
			t.Errorf("%+v: missing up to %s %t", c, to, missing)
		}
	}
}

// engine is a broker whose parts the test looks at, with so many events published.
func engine(t *testing.T, events int) (*Broker, []hub.ID) {
	t.Helper()
	b, err := New(Options{RedisURL: redistest.Start(t).URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	return b, publishSome(t, b, events, 100)
}

// publishSome publishes so many events, each with so many bytes of data.
func publishSome(t *testing.T, b *Broker, events, bytes int) (ids []hub.ID) {
	t.Helper()
	data := []byte(`"` + strings.Repeat("x", bytes-2) + `"`)
	for len(ids) < events {
		batch := make([]hub.Event, min(events-len(ids), 100, 1+(4<<20)/bytes))
		for i := range batch {
			batch[i] = hub.Event{Type: "t", Data: data}
		}
		published, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: batch})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, published.IDs...)
	}
	return ids
}

// stretchOf reads a stretch of orders.
func stretchOf(t *testing.T, b *Broker, after hub.ID, most, bytes int) extent {
	t.Helper()
	s := b.readers.stretch("orders", after, most, bytes, true)
	if err := b.readers.paging.do(t.Context(), b.keys.log("orders"), s.op(bytes)); err != nil {
		t.Fatal(err)
	}
	found, err := s.extent()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestStretchHasWhatItsBoundsAllow(t *testing.T) {
	t.Parallel()
	b, ids := engine(t, 300)
	ids = append(ids, publishSome(t, b, 20, 1<<20)...)
	for _, c := range []struct {
		name        string
		after       hub.ID
		most, bytes int
		want        []hub.ID
		more        bool
	}{
		{"entries", hub.ID{}, 100, 1 << 20, ids[:100], true},
		{"one entry", ids[2], 1, 1 << 20, ids[3:4], true},
		{"a piece", ids[9], 16, 1 << 20, ids[10:26], true},
		{"bytes before the first large one", hub.ID{}, 1000, 1 << 20, ids[:300], true},
		{"bytes of large ones", ids[299], 1000, 3<<20 + 1<<10, ids[300:303], true},
		{"the first comes whatever it has", ids[300], 1000, 1, ids[301:302], true},
		{"all entries", ids[309], 10, 64 << 20, ids[310:], false},
		{"the last", ids[318], 1000, 1, ids[319:], false},
		{"none", ids[319], 1000, 1, nil, false},
		{"behind the last id there can be", hub.ID{MS: math.MaxUint64, Seq: math.MaxUint64}, 10, 10, nil, false},
	} {
		found := stretchOf(t, b, c.after, c.most, c.bytes)
		var got []hub.ID
		for _, entry := range found.entries {
			id, err := entryID(entry)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, id)
		}
		if !slices.Equal(got, c.want) || found.more != c.more {
			t.Errorf("%s: there are %d entries, want %d; more %t, want %t", c.name, len(got), len(c.want), found.more, c.more)
		}
		if len(got) > 0 && (found.first != c.want[0] || found.last != c.want[len(c.want)-1] || found.bytes == 0 || found.born == "") {
			t.Errorf("%s: it is from %s to %s, %d bytes of %q", c.name, found.first, found.last, found.bytes, found.born)
		}
	}
}

// history opens a reader of all of orders, whose tail shows nothing itself.
func history(t *testing.T, b *Broker) (*reader, *spot) {
	t.Helper()
	opened, err := b.Read(t.Context(), hub.ReaderSpec{Streams: []string{"orders"}, From: hub.Oldest})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	r, _ := opened.(*reader)
	return r, r.spots[0]
}

// takeSome waits for events, and says how many have come.
func takeSome(t *testing.T, r *reader) int {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		reading, err := r.Take(0)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(reading.Events); n > 0 {
			return n
		}
		select {
		case <-r.Ready():
		case <-timeout:
			t.Fatal("no events come")
		}
	}
}

func TestPageFromBeforeATrimIsReadOnceMoreAtMost(t *testing.T) {
	t.Parallel()
	b, ids := engine(t, 100)
	first, _ := history(t, b)
	takeSome(t, first)
	// The mark that this reader knows went back since: a failover has lost it.
	late, s := history(t, b)
	s.trimmed = ids[50]
	if n := takeSome(t, late); n != len(ids) {
		t.Errorf("%d events came, want %d", n, len(ids))
	}
}

func TestReaderSkipsNothingOfAStreamThatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	b, ids := engine(t, 100)
	r, s := history(t, b)
	if _, err := r.Take(0); err != nil { // its page is under way
		t.Fatal(err)
	}
	s.page = nil
	b.readers.pages.forgetStream("orders")
	if err := b.DeleteStream(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	// The tail does not know it yet.
	tail := s.tail
	tail.mu.Lock()
	tail.gone, tail.window = false, window{lo: ids[98], hi: ids[99]}
	tail.mu.Unlock()
	timeout := time.After(20 * time.Second)
	for {
		reading, err := r.Take(0)
		if err != nil {
			t.Fatal(err)
		}
		if after := reading.After[0].After; len(reading.Events) > 0 || after != (hub.ID{}) {
			t.Fatalf("%d events came, and the place is %s, want the start", len(reading.Events), after)
		}
		if reading.Caught {
			break
		}
		select {
		case <-r.Ready():
		case <-timeout:
			t.Fatal("it is not caught")
		}
	}
}

func TestReaderOfAnOldPageUsesTheNewOneThatOthersHaveRead(t *testing.T) {
	t.Parallel()
	b, ids := engine(t, 100)
	pages := b.readers.pages
	first, s := history(t, b)
	takeSome(t, first)
	old := pages.peek("orders", s.born, hub.ID{})
	pages.forget(old)
	second, _ := history(t, b)
	takeSome(t, second)
	third, s := history(t, b)
	s.page, s.in, s.inside, s.trimmed = old, hub.ID{}, true, ids[50]
	// Nobody would wake it: the new page is there already.
	if reading, err := third.Take(0); err != nil || len(reading.Events) != len(ids) {
		t.Errorf("%d events came at once, want %d (%v)", len(reading.Events), len(ids), err)
	}
}
