package broker_test

import (
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// A forkable is the stream orders, whose log can become another one at once, as a failover
// does to a log that the new primary had not got whole.
type forkable struct {
	t      *testing.T
	broker *broker.Broker
	redis  *redis.Client
	first  hub.ID
}

func newForkable(t *testing.T, s *redistest.Server) *forkable {
	t.Helper()
	f := &forkable{t: t, broker: startBroker(t, s.URL()), redis: s.Client(t)}
	f.first = mustPublish(t, f.broker, "orders", "first", 1)[0]
	return f
}

// id is one so many ms after that of the first event.
func (f *forkable) id(ms uint64) hub.ID {
	if ms == 0 {
		return f.first
	}
	return hub.ID{MS: f.first.MS + ms}
}

func (f *forkable) ids(ms ...uint64) (ids []hub.ID) {
	for _, m := range ms {
		ids = append(ids, f.id(m))
	}
	return ids
}

// become has the log have the first event, these, and nothing else.
func (f *forkable) become(ms ...uint64) {
	f.t.Helper()
	const log = "hub:{orders}:log"
	tx := f.redis.TxPipeline()
	tx.Del(f.t.Context(), log)
	for _, id := range append([]hub.ID{f.first}, f.ids(ms...)...) {
		tx.XAdd(f.t.Context(), &redis.XAddArgs{Stream: log, ID: id.String(), Values: []string{"data", "1"}})
	}
	if _, err := tx.Exec(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// want wants a reader to be told that what it read up to an id is lost, and the events behind
// another.
func (f *forkable) want(r hub.Reader, read, after uint64, ms ...uint64) {
	f.t.Helper()
	got := next(f.t, r, len(ms))
	wantIDs(f.t, got.Events, f.ids(ms...))
	gap := hub.Gap{Stream: "orders", From: f.id(after).Next(), To: f.id(read), Reason: hub.GapReset}
	if !slices.Equal(got.Gaps, []hub.Gap{gap}) {
		f.t.Errorf("the gaps are %+v, want %+v", got.Gaps, gap)
	}
}

// cursor is a place in the stream as it is.
func (f *forkable) cursor(ms uint64) hub.Cursor {
	f.t.Helper()
	return hub.Cursor{{Stream: "orders", Born: f.redis.HGet(f.t.Context(), "hub:{orders}:cfg", "born").Val(), After: f.id(ms)}}
}

func TestReaderIsToldWhenAFailoverTookWhatItHasRead(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	f := newForkable(t, s)
	live := read(t, f.broker, "latest", "orders")
	f.become(10, 20, 30)
	wantIDs(t, next(t, live, 3).Events, f.ids(10, 20, 30)) // so the hub has them in memory
	slow, slower := read(t, f.broker, "oldest", "orders"), read(t, f.broker, "oldest", "orders")
	for r, n := range map[hub.Reader]int{slow: 3, slower: 1} {
		if _, err := readings(r, n, func(all hub.Reading) bool { return len(all.Events) == n }); err != nil {
			t.Fatal(err)
		}
		r.Pause()
	}
	// The new primary gives one id as the old one did.
	f.become(10, 15, 20, 25, 35)
	f.want(live, 30, 10, 15, 20, 25, 35)
	slow.Resume()
	f.want(slow, 20, 10, 15, 20, 25, 35)
	slower.Resume()
	got := next(t, slower, 5)
	wantIDs(t, got.Events, f.ids(10, 15, 20, 25, 35))
	if len(got.Gaps) > 0 {
		t.Errorf("one that has read nothing which is lost is told %+v", got.Gaps)
	}
}

func TestPlaceThatAFailoverTookIsToldOf(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	f := newForkable(t, s)
	f.become(10, 15, 25, 35)
	for _, b := range []*broker.Broker{f.broker, startBroker(t, s.URL())} {
		for _, place := range []struct {
			read, after uint64
			want        []uint64
		}{{30, 25, []uint64{35}}, {20, 15, []uint64{25, 35}}} {
			f.want(resume(t, b, f.cursor(place.read)), place.read, place.after, place.want...)
			f.want(read(t, b, "after:"+f.id(place.read).String(), "orders"), place.read, place.after, place.want...)
		}
		r := resume(t, b, f.cursor(40))
		f.become(10, 15, 25, 35, 38)
		f.want(r, 40, 35, 38)
		f.become(10, 15, 25, 35)
	}
}

func TestReaderOfTheFormerPrimaryIsToldByTheNew(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	f := newForkable(t, s)
	f.become(10)
	first := read(t, f.broker, "latest", "orders")
	caught(t, first, 0)
	// They come from what only the former primary has, and their tail has not got so far.
	f.become(10, 20)
	late := read(t, f.broker, "latest", "orders")
	place := resume(t, f.broker, f.cursor(20))
	f.become(10, 15, 25)
	for _, r := range []hub.Reader{late, place} {
		got, err := readings(r, 0, func(all hub.Reading) bool { return slices.Contains(readIDs(all.Events), f.id(25)) })
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Gaps) == 0 || got.Gaps[0].To != f.id(20) || got.Gaps[0].Reason != hub.GapReset {
			t.Errorf("the gaps are %+v", got.Gaps)
		}
	}
	got := next(t, first, 2)
	if ids := readIDs(got.Events); ids[1] != f.id(25) {
		t.Errorf("the events are %v", ids)
	}
}

func TestNobodyIsToldOfAForkWhereEventsWereRemoved(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b, c := startBroker(t, s.URL()), s.Client(t)
	live := read(t, b, "latest", "orders")
	ids := mustPublish(t, b, "orders", "x", 10)
	at := next(t, live, 10).After
	remove := func(id hub.ID) {
		t.Helper()
		if err := b.DeleteEvent(t.Context(), "orders", id); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, readers ...hub.Reader) {
		t.Helper()
		for i, r := range append(readers, live) {
			got := next(t, r, 1)
			if at = got.After; len(got.Gaps) > 0 {
				t.Errorf("%s: reader %d is told %+v", what, i, got.Gaps)
			}
		}
	}

	remove(ids[9])
	readers := []hub.Reader{resume(t, b, at), read(t, b, "latest", "orders"), read(t, b, "after:"+ids[9].String(), "orders")}
	ids = append(ids, mustPublish(t, b, "orders", "y", 1)...)
	check("the last was deleted", readers...)

	gone := at
	remove(ids[10])
	mustPublish(t, b, "orders", "z", 1)
	check("the last was deleted, and others came", resume(t, b, gone))

	if err := c.XTrimMaxLen(t.Context(), "hub:{orders}:log", 0).Err(); err != nil {
		t.Fatal(err)
	}
	readers = []hub.Reader{resume(t, b, at), read(t, b, "latest", "orders")}
	mustPublish(t, b, "orders", "z", 1)
	check("others have trimmed it", readers...)
}
