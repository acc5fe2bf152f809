package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// resume opens a reader behind a place.
func resume(t *testing.T, b *broker.Broker, after hub.Cursor) hub.Reader {
	t.Helper()
	return read(t, b, "after:"+after.String(), after[0].Stream)
}

func wantReset(t *testing.T, got []hub.Gap) {
	t.Helper()
	if want := []hub.Gap{{Stream: "orders", Reason: hub.GapReset}}; !slices.Equal(got, want) {
		t.Errorf("the gaps are %+v, want %+v", got, want)
	}
}

func wantTrimmed(t *testing.T, got []hub.Gap, to hub.ID) {
	t.Helper()
	if want := []hub.Gap{{Stream: "orders", To: to, Reason: hub.GapTrimmed}}; !slices.Equal(got, want) {
		t.Errorf("the gaps are %+v, want %+v", got, want)
	}
}

// bounded makes the stream orders with so many events at most.
func bounded(t *testing.T, b *broker.Broker, most int64) {
	t.Helper()
	config := hub.StreamConfig{MaxEvents: most, OnFull: hub.OnFullDropOldest}
	if _, _, err := b.PutStream(t.Context(), "orders", config); err != nil {
		t.Fatal(err)
	}
}

// trimMark is the last event that retention has removed from orders.
func trimMark(t *testing.T, c *redis.Client) hub.ID {
	t.Helper()
	id, err := hub.ParseID(c.HGet(t.Context(), "hub:{orders}:cfg", "trimmed").Val())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestReaderBehindTheRetentionIsToldBeforeItGoesOn(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	bounded(t, b, 100)
	slow, live := read(t, b, "latest", "orders"), read(t, b, "latest", "orders")
	first := mustPublish(t, b, "orders", "first", 1)
	all := next(t, live, 1)
	wantIDs(t, all.Events, first)
	cursor := all.After
	ids := first
	for i := range 30 {
		more := mustPublish(t, b, "orders", fmt.Sprint(i), 100)
		ids = append(ids, more...)
		got := next(t, live, 100)
		wantIDs(t, got.Events, more)
		if len(got.Gaps) > 0 {
			t.Fatalf("a reader that keeps up is told %+v", got.Gaps)
		}
	}
	mark := trimMark(t, s.Client(t))
	kept := ids[slices.Index(ids, mark)+1:]
	old := read(t, b, "oldest", "orders")
	for name, r := range map[string]hub.Reader{
		"cursor": resume(t, b, cursor), "id": read(t, b, "after:"+first[0].String(), "orders"),
		"at": read(t, b, "at:2020-01-01T00:00:00Z", "orders"),
	} {
		got := next(t, r, len(kept))
		wantIDs(t, got.Events, kept)
		if wantTrimmed(t, got.Gaps, mark); t.Failed() {
			t.Fatalf("that was from %s", name)
		}
	}
	got := next(t, old, len(kept))
	wantIDs(t, got.Events, kept)
	if len(got.Gaps) > 0 {
		t.Errorf("from oldest there are the gaps %+v", got.Gaps)
	}
	// It reads the rest from what the hub still has of it in memory.
	rest := caught(t, slow, 0)
	if len(rest.Gaps) > 1 || len(rest.Events) < len(kept) {
		t.Errorf("the slow reader has %d events and the gaps %+v", len(rest.Events), rest.Gaps)
	}
	if len(rest.Gaps) == 0 && len(rest.Events) < len(ids) {
		t.Errorf("the slow reader has %d events of %d, and no gap", len(rest.Events), len(ids))
	}
}

func TestNewReaderIsNotShownWhatWasRemovedBeforeItCame(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	bounded(t, b, 50)
	live := read(t, b, "latest", "orders")
	ids := mustPublish(t, b, "orders", "x", 1)
	wantIDs(t, next(t, live, 1).Events, ids) // so the hub has all of the stream in memory
	for i := range 10 {
		more := mustPublish(t, b, "orders", fmt.Sprint(i), 20)
		ids = append(ids, more...)
		wantIDs(t, next(t, live, 20).Events, more)
	}
	kept := ids[slices.Index(ids, trimMark(t, s.Client(t)))+1:]
	r := read(t, b, "oldest", "orders")
	got := caught(t, r, 0)
	wantIDs(t, got.Events, kept)
	if len(got.Gaps) > 0 {
		t.Errorf("from oldest there are the gaps %+v", got.Gaps)
	}
	more := mustPublish(t, b, "orders", "y", 1)
	wantIDs(t, next(t, r, 1).Events, more)
}

func TestGapComesBetweenEventsInItsPlace(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	bounded(t, b, 10)
	r := read(t, b, "latest", "orders")
	first := mustPublish(t, b, "orders", "x", 1)
	wantIDs(t, next(t, r, 1).Events, first)
	// More at once than the stream keeps: no tail could be fast enough.
	ids := mustPublish(t, b, "orders", "y", 1000)
	mark := trimMark(t, s.Client(t))
	kept := ids[slices.Index(ids, mark)+1:]
	got := next(t, r, len(kept))
	wantIDs(t, got.Events, kept)
	wantTrimmed(t, got.Gaps, mark)
	if b.DeleteStream(t.Context(), "orders") != nil {
		t.Fatal("the stream cannot be deleted")
	}
	mustPublish(t, b, "orders", "z", 1)
	last := next(t, r, 1)
	wantReset(t, last.Gaps)
}

func TestPlaceBehindAHandTrimIsToldOfIt(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	ids := mustPublish(t, b, "orders", "x", 500)
	c := s.Client(t)
	if err := c.XTrimMaxLen(t.Context(), "hub:{orders}:log", 10).Err(); err != nil {
		t.Fatal(err)
	}
	got := next(t, read(t, b, "after:"+ids[0].String(), "orders"), 10)
	wantIDs(t, got.Events, ids[490:])
	wantTrimmed(t, got.Gaps, ids[490].Before())
	if err := c.XTrimMaxLen(t.Context(), "hub:{orders}:log", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r := read(t, b, "after:"+ids[0].String(), "orders")
	wantTrimmed(t, readGaps(t, r, 1), ids[499])
	if all := caught(t, read(t, b, "oldest", "orders"), 0); len(all.Gaps)+len(all.Events) > 0 {
		t.Errorf("from oldest there are %+v", all)
	}
}

func TestReaderOfARecreatedStreamIsReset(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	old := mustPublish(t, one, "orders", "old", 5)
	live, slow := read(t, two, "oldest", "orders"), read(t, two, "oldest", "orders")
	all := next(t, live, 5)
	if err := one.DeleteStream(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	paused := resume(t, two, all.After)
	paused.Pause()
	if untold, err := paused.Take(0); err != nil || !slices.Equal(untold.After, all.After) {
		t.Errorf("before it is told, its place is %v, want that where it came from: %v (%v)", untold.After, all.After, err)
	}
	gone := resume(t, two, all.After)
	wantReset(t, readGaps(t, gone, 1))
	plain := read(t, two, "after:"+old[4].String(), "orders")
	ids := mustPublish(t, one, "orders", "new", 3)
	for name, r := range map[string]hub.Reader{
		"live": live, "by cursor": resume(t, two, all.After), "by id": read(t, two, "after:"+old[4].String(), "orders"),
		"by id, while it was gone": plain,
	} {
		got := next(t, r, 3)
		wantIDs(t, got.Events, ids)
		if wantReset(t, got.Gaps); t.Failed() {
			t.Fatalf("that was %s", name)
		}
	}
	got := next(t, gone, 3)
	wantIDs(t, got.Events, ids)
	if len(got.Gaps) > 0 {
		t.Errorf("a reader that came while it was gone, and was told so, has the gaps %+v", got.Gaps)
	}
	got, err := readings(slow, 0, func(all hub.Reading) bool { return slices.Contains(readIDs(all.Events), ids[2]) })
	if err != nil {
		t.Fatal(err)
	}
	wantReset(t, got.Gaps)
	if id := old[4]; id.Compare(ids[0]) >= 0 {
		t.Errorf("the old id %s is not before the new ones", id)
	}
	if again := next(t, resume(t, two, hub.Cursor{{Stream: "orders"}}), 3); len(again.Gaps) > 0 {
		t.Errorf("a place before there was a stream has the gaps %+v", again.Gaps)
	}
}

func TestIDsThatTheStreamNeverHadReset(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	ids := mustPublish(t, b, "orders", "x", 3)
	got := next(t, read(t, b, "after:1-1", "orders"), 3) // of an earlier stream of that name
	wantIDs(t, got.Events, ids)
	wantReset(t, got.Gaps)
	cursor := got.After
	cursor[0].After = hub.ID{MS: 99999999999999}
	// Events that a failover has lost: what was before them was read.
	var beyond []hub.Reader
	for _, position := range []string{"99999999999999-0", "18446744073709551615-18446744073709551615", cursor.String()} {
		r := read(t, b, "after:"+position, "orders")
		if gaps := readGaps(t, r, 1); gaps[0].Reason != hub.GapReset || gaps[0].From != ids[2].Next() || gaps[0].To.Compare(ids[2]) <= 0 {
			t.Errorf("behind %s the gaps are %+v", position, gaps)
		}
		beyond = append(beyond, r)
	}
	more := mustPublish(t, b, "orders", "y", 2)
	for _, r := range beyond {
		got := next(t, r, 2)
		wantIDs(t, got.Events, more)
		if len(got.Gaps) > 0 {
			t.Errorf("a reader that was told already has the gaps %+v", got.Gaps)
		}
	}
	if got := next(t, read(t, b, "after:0-0", "orders"), 5); len(got.Gaps) > 0 {
		t.Errorf("after:0-0 has the gaps %+v", got.Gaps)
	}
}

func TestReaderOutlivesTheLossOfAllKeys(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	r := read(t, b, "latest", "orders")
	mustPublish(t, b, "orders", "old", 3)
	next(t, r, 3)
	if err := s.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	ids := mustPublish(t, b, "orders", "new", 3)
	got := next(t, r, 3)
	wantIDs(t, got.Events, ids)
	wantReset(t, got.Gaps)
}

func TestReaderOfAStreamWhoseSettingsAreLostIsReset(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	var ids []hub.ID
	for i := range 20 {
		ids = append(ids, mustPublish(t, b, "orders", fmt.Sprint(i), 100)...)
	}
	r := read(t, b, "oldest", "orders")
	if _, err := readings(r, 100, func(all hub.Reading) bool { return len(all.Events) > 0 }); err != nil {
		t.Fatal(err)
	}
	c := s.Client(t)
	before := figure(t, c, "commandstats", "cmdstat_evalsha:calls=")
	if err := c.Del(t.Context(), "hub:{orders}:cfg").Err(); err != nil {
		t.Fatal(err)
	}
	readGaps(t, r, 1)
	if n := figure(t, c, "commandstats", "cmdstat_evalsha:calls=") - before; n > 30 {
		t.Errorf("it took %d reads", n)
	}
	again := read(t, b, "oldest", "orders")
	wantIDs(t, caught(t, again, 0).Events, ids)
	if last := caught(t, r, 0); len(last.Gaps) > 0 {
		t.Errorf("it is told %+v after it was reset", last.Gaps)
	}
}

func TestReaderGoesOnAfterRedisWasGone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes")
	b := startBroker(t, s.URL())
	var ids []hub.ID
	for i := range 20 {
		ids = append(ids, mustPublish(t, b, "orders", fmt.Sprint(i), 100)...)
	}
	live, behind := read(t, b, "latest", "orders"), read(t, b, "oldest", "orders")
	first, err := readings(behind, 10, func(all hub.Reading) bool { return len(all.Events) > 0 })
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	if _, err := readings(behind, 0, func(all hub.Reading) bool {
		first.Events = append(first.Events[:10:10], all.Events...)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	var more []hub.ID
	eventually(t, func() string {
		if more, err = publish(t.Context(), b, "orders", batch("new", 1)); err != nil {
			return err.Error()
		}
		return ""
	})
	got, err := readings(live, 0, func(all hub.Reading) bool { return slices.Contains(readIDs(all.Events), more[0]) })
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Gaps) > 0 {
		t.Errorf("there are the gaps %+v", got.Gaps)
	}
	rest, err := readings(behind, 0, func(all hub.Reading) bool { return slices.Contains(readIDs(all.Events), more[0]) })
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(first.Events, rest.Events)
	if want := slices.Concat(ids, readIDs(got.Events)); !slices.Equal(readIDs(all), want) {
		t.Errorf("%d events were read, want %d in order", len(all), len(want))
	}
}

func TestForeignEntriesReachAnIdleReader(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	known := mustPublish(t, b, "orders", "x", 1)
	r := read(t, b, "latest", "orders", "unknown")
	c := s.Client(t)
	for _, stream := range []string{"orders", "unknown"} {
		began := time.Now()
		id, err := c.XAdd(t.Context(), &redis.XAddArgs{Stream: "hub:{" + stream + "}:log", Values: []string{"total", "1"}}).Result()
		if err != nil {
			t.Fatal(err)
		}
		got := next(t, r, 1)
		if took := time.Since(began); took > 3*time.Second { // one poll, on a busy machine
			t.Errorf("it took %s", took)
		}
		if e := got.Events[0]; e.ID.String() != id || e.Stream != stream || !strings.Contains(string(e.JSON), `"data":{"total":"1"}`) {
			t.Errorf("the event is %s", e.JSON)
		}
		if len(got.Gaps) > 0 {
			t.Errorf("there are the gaps %+v", got.Gaps)
		}
	}
	if got := next(t, read(t, b, "after:"+known[0].String(), "orders"), 1); len(got.Gaps) > 0 {
		t.Errorf("there are the gaps %+v", got.Gaps)
	}
}

func TestDeletedEventsLeaveNoReaderBehind(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	ids := mustPublish(t, b, "orders", "x", 5)
	live := read(t, b, "latest", "orders")
	for _, id := range ids[2:] {
		if err := b.DeleteEvent(t.Context(), "orders", id); err != nil {
			t.Fatal(err)
		}
	}
	r := read(t, b, "oldest", "orders")
	all := caught(t, r, 1)
	wantIDs(t, all.Events, ids[:2])
	more := mustPublish(t, b, "orders", "y", 1)
	wantIDs(t, next(t, r, 1).Events, more)
	wantIDs(t, next(t, live, 1).Events, more)
	for _, id := range ids[:2] {
		if err := b.DeleteEvent(t.Context(), "orders", id); err != nil {
			t.Fatal(err)
		}
	}
	got := next(t, read(t, b, "after:"+ids[0].String(), "orders"), 1)
	wantIDs(t, got.Events, more)
	if len(got.Gaps) > 0 {
		t.Errorf("behind deleted events there are the gaps %+v", got.Gaps)
	}
}

func TestIdleTailsCostNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	var streams []string
	for i := range 100 {
		streams = append(streams, fmt.Sprint("stream-", i))
	}
	r := read(t, b, "latest", streams...)
	caught(t, r, 0)
	c := s.Client(t)
	eventually(t, func() string {
		if n := figure(t, c, "commandstats", "cmdstat_xrange:calls="); n < len(streams) {
			return fmt.Sprintf("only %d tails have begun", n)
		}
		return ""
	})
	if rate := commandRate(t, c); rate > 20 {
		t.Errorf("100 idle tails cost %.1f commands a second", rate)
	}
}

func TestReaderIsToldOfALogThatOthersHaveDeleted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		sink bool // its group makes the log again before anybody publishes
	}{{"publishing makes it again", false}, {"a sink makes it again", true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			c := s.Client(t)
			b := startBroker(t, s.URL())
			const log = "hub:{orders}:log"
			if test.sink {
				consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 10})
			}
			live := read(t, b, "latest", "orders")
			mustPublish(t, b, "orders", "first", 1)
			cursor := next(t, live, 1).After
			mustPublish(t, b, "orders", "second", 1)
			next(t, live, 1)
			for _, name := range []string{"third", "fourth"} { // the first event of a log each
				if err := c.Del(t.Context(), log).Err(); err != nil {
					t.Fatal(err)
				}
				eventually(t, func() string {
					if test.sink && c.Exists(t.Context(), log).Val() == 0 {
						return "the sink does not make its group again"
					}
					return ""
				})
				want := mustPublish(t, b, "orders", name, 1)
				for which, r := range map[string]hub.Reader{"live": live, "cursor": resume(t, b, cursor)} {
					got := next(t, r, 1)
					wantIDs(t, got.Events, want)
					if wantReset(t, got.Gaps); t.Failed() {
						t.Fatalf("that was the reader %s of the %s event", which, name)
					}
				}
			}
		})
	}
}
