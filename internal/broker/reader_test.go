package broker_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// from reads the text of a start position.
func from(t *testing.T, text string) hub.Position {
	t.Helper()
	p, err := hub.ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// read opens a reader until the end of the test.
func read(t *testing.T, b *broker.Broker, position string, streams ...string) hub.Reader {
	t.Helper()
	return readAs(t, b, hub.ReaderSpec{Streams: streams, From: from(t, position)})
}

func readAs(t *testing.T, b *broker.Broker, spec hub.ReaderSpec) hub.Reader {
	t.Helper()
	r, err := b.Read(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// readings takes until enough says so, and joins what came.
func readings(r hub.Reader, limit int, enough func(hub.Reading) bool) (all hub.Reading, err error) {
	timeout := time.After(patience)
	for {
		one, err := r.Take(limit)
		if err != nil {
			return all, err
		}
		if limit > 0 && len(one.Events) > limit {
			return all, fmt.Errorf("%d events came, want at most %d", len(one.Events), limit)
		}
		all.Gaps = append(all.Gaps, one.Gaps...)
		all.Events = append(all.Events, one.Events...)
		all.After, all.Caught = one.After, one.Caught
		if enough(all) {
			return all, nil
		}
		select {
		case <-r.Ready():
		case <-timeout:
			return all, fmt.Errorf("%d events came and the gaps %v; the place is %v, want more", len(all.Events), all.Gaps, all.After)
		}
	}
}

// next waits until n events have come.
func next(t *testing.T, r hub.Reader, n int) hub.Reading {
	t.Helper()
	all, err := readings(r, 0, func(all hub.Reading) bool { return len(all.Events) >= n })
	if err != nil {
		t.Fatalf("want %d events: %v", n, err)
	}
	if len(all.Events) > n {
		t.Fatalf("%d events came, want %d", len(all.Events), n)
	}
	return all
}

// readGaps waits until n gaps have come, before any event.
func readGaps(t *testing.T, r hub.Reader, n int) []hub.Gap {
	t.Helper()
	all, err := readings(r, 0, func(all hub.Reading) bool { return len(all.Gaps) >= n })
	if err != nil {
		t.Fatal(err)
	}
	return all.Gaps
}

// caught waits until the reader has got to the end.
func caught(t *testing.T, r hub.Reader, limit int) hub.Reading {
	t.Helper()
	all, err := readings(r, limit, func(all hub.Reading) bool { return all.Caught })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// readIDs are the ids of events, in order.
func readIDs(events []hub.ReadEvent) []hub.ID {
	ids := make([]hub.ID, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	return ids
}

// mustPublish stores events <name>-0, <name>-1, ….
func mustPublish(t *testing.T, b *broker.Broker, stream, name string, n int) []hub.ID {
	t.Helper()
	ids, err := publish(t.Context(), b, stream, batch(name, n))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func wantIDs(t *testing.T, got []hub.ReadEvent, want []hub.ID) {
	t.Helper()
	if ids := readIDs(got); !slices.Equal(ids, want) {
		t.Fatalf("%d events were read, want %d: %v, want %v", len(ids), len(want), clipIDs(ids), clipIDs(want))
	}
}

func clipIDs(ids []hub.ID) []hub.ID { return ids[:min(len(ids), 10)] }

func TestReaderReplaysAndGoesOnLiveWithoutSeam(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	for i := range 15 {
		mustPublish(t, one, "orders", fmt.Sprint("old", i), 100)
	}
	var publishing sync.WaitGroup
	defer publishing.Wait()
	for i := range 10 {
		publishing.Go(func() {
			for j := range 100 {
				if _, err := publish(t.Context(), two, "orders", batch(fmt.Sprint("new", i, "-", j), 1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var reading sync.WaitGroup
	readers := make([]hub.Reading, 20)
	for i := range readers {
		r := read(t, one, "oldest", "orders")
		reading.Go(func() {
			var err error
			readers[i], err = readings(r, 1+i*13, func(all hub.Reading) bool { return len(all.Events) >= 2500 })
			if err != nil {
				t.Error(err)
			}
		})
	}
	reading.Wait()
	texts, _ := stream(t, s.Client(t), "orders")
	want := make([]hub.ID, len(texts))
	for i, text := range texts {
		want[i], _ = hub.ParseID(text)
	}
	for i := range readers {
		wantIDs(t, readers[i].Events, want)
		if len(readers[i].Gaps) > 0 {
			t.Errorf("there are the gaps %v", readers[i].Gaps)
		}
	}
}

func TestReaderAtLatestMissesNothingPublishedAfterItCame(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = publish(t.Context(), two, "busy", batch("noise", 1))
			}
		}
	})
	defer publishing.Wait()
	defer close(stop)
	for i := range 50 {
		r := readAs(t, one, hub.ReaderSpec{Streams: []string{"busy", "quiet"}, From: hub.Latest})
		ids := mustPublish(t, two, "quiet", fmt.Sprint(i), 1)
		_, err := readings(r, 0, func(all hub.Reading) bool {
			return slices.Contains(readIDs(all.Events), ids[0])
		})
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
}

func TestManyReadersCostRedisWhatOneDoes(t *testing.T) {
	t.Parallel()
	const readers, events = 1000, 3000
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	for i := range events / 100 {
		mustPublish(t, b, "orders", fmt.Sprint(i), 100)
	}
	client := s.Client(t)
	open := func(position hub.Position) []hub.Reader {
		list := make([]hub.Reader, readers)
		var opening sync.WaitGroup
		for i := range list {
			opening.Go(func() { list[i] = readAs(t, b, hub.ReaderSpec{Streams: []string{"orders"}, From: position}) })
		}
		opening.Wait()
		return list
	}
	drain := func(list []hub.Reader, n int) {
		var reading sync.WaitGroup
		for _, r := range list {
			reading.Go(func() {
				all, err := readings(r, 0, func(all hub.Reading) bool { return len(all.Events) >= n })
				if err != nil || len(all.Events) != n {
					t.Errorf("%d events were read, want %d (%v)", len(all.Events), n, err)
				}
			})
		}
		reading.Wait()
	}
	reads := func() int { return figure(t, client, "commandstats", "cmdstat_evalsha:calls=") }
	before := reads()
	live := open(hub.Latest)
	if n := reads() - before; n > readers/10 {
		t.Errorf("opening %d readers at once took %d reads", readers, n)
	}
	before = reads()
	drain(open(hub.Oldest), events)
	if n := reads() - before; n > 100 {
		t.Errorf("%d readers of %d events took %d reads", readers, events, n)
	}
	before = reads()
	mustPublish(t, b, "orders", "live", 10)
	drain(live, 10)
	if n := reads() - before; n > 10 {
		t.Errorf("%d live readers took %d reads for one publish", readers, n)
	}
}

func TestSlowReaderFallsBackToHistoryAndCatchesUp(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	slow, fast := read(t, b, "latest", "orders"), read(t, b, "latest", "orders")
	var want []hub.ID
	for i := range 50 {
		ids := mustPublish(t, b, "orders", fmt.Sprint(i), 100)
		want = append(want, ids...)
		wantIDs(t, next(t, fast, 100).Events, ids)
	}
	wantIDs(t, next(t, slow, len(want)).Events, want)
	live := mustPublish(t, b, "orders", "live", 1)
	wantIDs(t, next(t, slow, 1).Events, live)
}

func TestReaderOfLargeEventsTakesAboutAFrameAtATime(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = 'x'
	}
	data[0], data[len(data)-1] = '"', '"'
	var want []hub.ID
	for range 20 {
		ids, err := publish(t.Context(), b, "orders", []hub.Event{{Data: data}, event("1")})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, ids...)
	}
	r := read(t, b, "oldest", "orders")
	var got []hub.ReadEvent
	_, err := readings(r, 0, func(all hub.Reading) bool {
		bytes := 0
		for _, e := range all.Events[len(got):] {
			bytes += len(e.JSON)
		}
		if got = all.Events; bytes > 1<<20+1<<10 {
			t.Errorf("one reading has %d bytes", bytes)
		}
		return len(got) >= len(want)
	})
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, got, want)
}

func TestReaderFiltersALongHistory(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	var want []hub.ID
	for i := range 50 {
		events := batch(fmt.Sprint(i), 100)
		for j := range events {
			events[j].Topic = "us.ny"
		}
		if i%25 == 24 {
			events[7].Topic = "eu.de"
		}
		ids, err := publish(t.Context(), b, "orders", events)
		if err != nil {
			t.Fatal(err)
		}
		if i%25 == 24 {
			want = append(want, ids[7])
		}
	}
	r := readAs(t, b, hub.ReaderSpec{Streams: []string{"orders"}, From: hub.Oldest, Topics: []string{"eu.**"}, Types: []string{"t"}})
	wantIDs(t, next(t, r, len(want)).Events, want)
	if after := caught(t, r, 0).After[0].After; after.Compare(want[1]) <= 0 {
		t.Errorf("the place %s is not behind what was filtered out", after)
	}
}

func TestReaderOfSeveralStreamsResumesAllOfThem(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	want := map[string][]hub.ID{}
	streams := []string{"orders", "payments", "refunds"}
	for _, stream := range streams {
		want[stream] = mustPublish(t, b, stream, stream, 300)
	}
	got := map[string][]hub.ID{}
	position := "oldest"
	for n := 0; n < 900; {
		r := read(t, b, position, streams...)
		all, err := readings(r, 50, func(all hub.Reading) bool { return len(all.Events) > 0 })
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all.Events {
			got[e.Stream] = append(got[e.Stream], e.ID)
		}
		n += len(all.Events)
		position = "after:" + all.After.String()
		r.Close()
	}
	for _, stream := range streams {
		if !slices.Equal(got[stream], want[stream]) {
			t.Errorf("of %s were read %d events, not the %d published, in their order", stream, len(got[stream]), len(want[stream]))
		}
	}
	if _, err := b.Read(t.Context(), hub.ReaderSpec{Streams: []string{"others"}, From: from(t, position)}); code(err) != hub.CodeInvalidRequest {
		t.Errorf("a cursor of other streams is %v", err)
	}
}

func TestPlaceBehindAnEventIsBeforeMovedPastIt(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	want := map[string][]hub.ID{"orders": mustPublish(t, b, "orders", "x", 5), "payments": mustPublish(t, b, "payments", "y", 5)}
	r := read(t, b, "oldest", "orders", "payments")
	first, err := readings(r, 3, func(all hub.Reading) bool { return len(all.Events) > 0 })
	if err != nil {
		t.Fatal(err)
	}
	var one hub.Reading
	for len(one.Events) < 2 {
		if one, err = r.Take(0); err != nil {
			t.Fatal(err)
		}
	}
	place := slices.Clone(one.Before)
	place.Move(one.Events[0].Stream, one.Events[0].ID)
	r.Close()
	rest := next(t, read(t, b, "after:"+place.String(), "orders", "payments"), 10-len(first.Events)-1)
	seen := map[string][]hub.ID{}
	for _, e := range slices.Concat(first.Events, one.Events[:1], rest.Events) {
		seen[e.Stream] = append(seen[e.Stream], e.ID)
	}
	for stream := range want {
		if !slices.Equal(seen[stream], want[stream]) {
			t.Errorf("of %s were read %v, want %v", stream, seen[stream], want[stream])
		}
	}
}

func TestReaderAddsAndRemovesStreams(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	old := mustPublish(t, b, "refunds", "old", 3)
	r := read(t, b, "latest", "orders")
	if ignored, err := r.AddStream(t.Context(), "refunds", hub.Oldest); ignored || err != nil {
		t.Fatalf("adding a stream: ignored %t, %v", ignored, err)
	}
	wantIDs(t, next(t, r, 3).Events, old)
	if ignored, err := r.AddStream(t.Context(), "refunds", hub.Oldest); !ignored || err != nil {
		t.Errorf("adding it again: ignored %t, %v", ignored, err)
	}
	r.RemoveStream("orders")
	if streams := r.Streams(); !slices.Equal(streams, []string{"refunds"}) {
		t.Errorf("the streams are %v", streams)
	}
	mustPublish(t, b, "orders", "unread", 1)
	added := mustPublish(t, b, "refunds", "new", 1)
	wantIDs(t, next(t, r, 1).Events, added)
	r.RemoveStream("refunds")
	if one, err := r.Take(0); err != nil || len(one.Events) > 0 || len(one.After) > 0 {
		t.Errorf("a reader of no stream has %+v (%v)", one, err)
	}
}

func TestPausedReaderIsGivenNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	r, other := read(t, b, "latest", "orders"), read(t, b, "latest", "orders")
	r.Pause()
	ids := mustPublish(t, b, "orders", "x", 3)
	next(t, other, 3)
	if one, err := r.Take(0); err != nil || len(one.Events) > 0 || len(one.After) != 1 {
		t.Errorf("a paused reader has %+v (%v)", one, err)
	}
	r.Resume()
	wantIDs(t, next(t, r, 3).Events, ids)
}

func TestReaderEndsWithTheHub(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	r, closed := read(t, b, "oldest", "orders"), read(t, b, "oldest", "orders")
	closed.Close()
	closed.Close()
	if _, err := closed.Take(0); code(err) != hub.CodeUnavailable {
		t.Errorf("a closed reader answers %v", err)
	}
	caught(t, r, 0)
	for len(r.Ready()) > 0 {
		<-r.Ready()
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-r.Ready()
	if _, err := r.Take(0); code(err) != hub.CodeUnavailable {
		t.Errorf("a reader of a closed hub answers %v", err)
	}
	if _, err := b.Read(t.Context(), hub.ReaderSpec{Streams: []string{"orders"}}); code(err) != hub.CodeUnavailable {
		t.Errorf("opening a reader then is %v", err)
	}
}

func TestReaderNeedsTheStreamWhereStreamsMustBeMadeFirst(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b, err := broker.New(broker.Options{RedisURL: s.URL(), NoAutoCreate: true, Declared: map[string]hub.StreamConfig{"declared": hub.DefaultStreamConfig()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close(t.Context()) }()
	if _, err := b.Read(t.Context(), hub.ReaderSpec{Streams: []string{"declared", "orders"}}); code(err) != hub.CodeStreamNotFound {
		t.Errorf("reading an unknown stream is %v", err)
	}
	r := read(t, b, "latest", "declared")
	if _, err := r.AddStream(t.Context(), "orders", hub.Latest); code(err) != hub.CodeStreamNotFound {
		t.Errorf("adding an unknown stream is %v", err)
	}
	if n := s.Client(t).Exists(t.Context(), "hub:{orders}:cfg", "hub:{orders}:log").Val(); n != 0 {
		t.Error("asking for it has made the stream")
	}
}

func TestReadersAreRefusedInTimeWhileRedisIsSilent(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	mustPublish(t, b, "orders", "x", 1)
	s.Pause()
	defer s.Resume()
	// One time limit is 2.5 s, and two that add up are 4.5 s or more. A machine that is
	// loaded is late for both, so that a bare timer tells how much of it is its own.
	const (
		openings = 10 // all but the first wait for a look that is under way, and for their own
		limit    = 2500 * time.Millisecond
	)
	var took, late [openings]time.Duration
	var opening sync.WaitGroup
	for i := range openings {
		began := time.Now()
		opening.Go(func() {
			_, err := b.Read(t.Context(), hub.ReaderSpec{Streams: []string{"orders"}})
			if took[i] = time.Since(began); code(err) != hub.CodeUnavailable {
				t.Errorf("after %s it is %v", took[i], err)
			}
		})
		opening.Go(func() {
			<-time.After(limit)
			late[i] = time.Since(began) - limit
		})
	}
	opening.Wait()
	if longest, most := slices.Max(took[:]), 3*time.Second+slices.Max(late[:]); longest > most {
		t.Errorf("a reader was refused after %s, want at most %s", longest, most)
	}
}

func TestReadersAtRestTakeLittleMemory(t *testing.T) {
	// Not parallel: it measures the heap.
	const readers, most = 1000, 64 << 10
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	for i := range 50 {
		mustPublish(t, b, "orders", fmt.Sprint(i), 100)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	list := make([]hub.Reader, readers)
	before := heap()
	var reading sync.WaitGroup
	for i := range list {
		reading.Go(func() {
			list[i] = readAs(t, b, hub.ReaderSpec{Streams: []string{"orders"}, From: hub.Oldest})
			// Each of them in another place, with the next page under way.
			if _, err := readings(list[i], 1+i, func(all hub.Reading) bool { return len(all.Events) > i }); err != nil {
				t.Error(err)
			}
		})
	}
	reading.Wait()
	if each := (int64(heap()) - int64(before)) / readers; each > most {
		t.Errorf("a reader takes %d bytes, want at most %d", each, most)
	} else {
		t.Logf("a reader takes %d bytes", each)
	}
	runtime.KeepAlive(list)
}
