package broker_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

func event(data string) hub.Event { return hub.Event{Type: "t", Data: []byte(data)} }

// batch is n events with the data <name>-0, <name>-1, ….
func batch(name string, n int) []hub.Event {
	events := make([]hub.Event, n)
	for i := range events {
		events[i] = event(fmt.Sprintf(`"%s-%d"`, name, i))
	}
	return events
}

// stream reads a stream's ids and data, in order.
func stream(t *testing.T, c *redis.Client, name string) (ids, data []string) {
	t.Helper()
	entries, err := c.XRange(t.Context(), "hub:{"+name+"}:log", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ids, data = append(ids, e.ID), append(data, e.Values["data"].(string))
	}
	return ids, data
}

func texts(ids []hub.ID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return list
}

func dataOf(events []hub.Event) []string {
	list := make([]string, len(events))
	for i := range events {
		list[i] = string(events[i].Data)
	}
	return list
}

func TestPublishedEventsAreInRedisInOrder(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	var wantIDs, wantData []string
	for _, n := range []int{1, 5, 1, 1000, 1} {
		events := batch(strconv.Itoa(n), n)
		ids, err := publish(t.Context(), b, "orders", events)
		if err != nil {
			t.Fatal(err)
		}
		wantIDs, wantData = append(wantIDs, texts(ids)...), append(wantData, dataOf(events)...)
	}
	ids, data := stream(t, s.Client(t), "orders")
	if !slices.Equal(ids, wantIDs) {
		t.Error("the ids in Redis are not those that were answered, in their order")
	}
	if !slices.Equal(data, wantData) {
		t.Error("the events in Redis are not those that were published, in their order")
	}
}

func TestConcurrentArraysStayWhole(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	const publishers, each = 20, 20
	published := make([][][]string, publishers) // ids of each array of each publisher
	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				ids, err := publish(t.Context(), b, "orders", batch(fmt.Sprintf("%d-%d", p, i), 1+(p+i)%7))
				if err != nil {
					t.Error(err)
					return
				}
				published[p] = append(published[p], texts(ids))
			}
		})
	}
	publishing.Wait()
	ids, data := stream(t, s.Client(t), "orders")
	place := map[string]int{}
	for i, id := range ids {
		place[id] = i
	}
	total := 0
	for p, arrays := range published {
		after := -1
		for i, array := range arrays {
			total += len(array)
			first := place[array[0]]
			if first <= after {
				t.Fatalf("array %d of publisher %d is before its predecessor", i, p)
			}
			after = first
			for k, id := range array {
				if at, ok := place[id]; !ok || at != first+k || data[at] != fmt.Sprintf(`"%d-%d-%d"`, p, i, k) {
					t.Fatalf("event %d of array %d of publisher %d is not in its place behind the others", k, i, p)
				}
			}
		}
	}
	if total != len(ids) {
		t.Errorf("%d events were published and %d stored", total, len(ids))
	}
}

func TestArrayThatFindsNoRoomIsNotStoredInPart(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	c := s.Client(t)
	var used int64
	for line := range strings.Lines(c.Info(t.Context(), "memory").Val()) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			used, _ = strconv.ParseInt(text, 10, 64)
		}
	}
	limit := func(bytes int64) {
		if err := c.ConfigSet(t.Context(), "maxmemory", strconv.FormatInt(bytes, 10)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	limit(used + 16<<20)
	large := make([]hub.Event, 100)
	for i := range large {
		large[i] = event(`"` + strings.Repeat("x", 20<<10) + `"`)
	}
	stored := 0
	for range 20 { // 40 MB
		if _, err := publish(t.Context(), b, "orders", large); err != nil {
			if code(err) != hub.CodeStorageFull {
				t.Fatalf("it is answered %v, want %s", err, hub.CodeStorageFull)
			}
			break
		}
		stored += len(large)
	}
	limit(1)
	if _, err := publish(t.Context(), b, "orders", []hub.Event{event("1")}); code(err) != hub.CodeStorageFull {
		t.Errorf("a single event is answered %v, want %s", err, hub.CodeStorageFull)
	}
	ids, _ := stream(t, c, "orders")
	if len(ids) != stored || stored == 0 {
		t.Errorf("%d events are stored, want %d", len(ids), stored)
	}
	limit(0)
	if _, err := publish(t.Context(), b, "orders", large); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestNothingIsStoredInFullMemoryWhereALogIsGone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	c := s.Client(t)
	mustPublish(t, b, "orders", "first", 1)
	if err := c.Del(t.Context(), "hub:{orders}:log").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "orders", batch("second", 3)); code(err) != hub.CodeStorageFull {
		t.Errorf("it is answered %v, want %s", err, hub.CodeStorageFull)
	}
	if ids, _ := stream(t, c, "orders"); len(ids) > 0 {
		t.Errorf("%d events are stored", len(ids))
	}
}

func TestKeyOfAnotherProgramIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	c := s.Client(t)
	if err := c.Set(t.Context(), "hub:{orders}:log", "mine", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 3} {
		if _, err := publish(t.Context(), b, "orders", batch("x", n)); code(err) != hub.CodeConflict {
			t.Errorf("%d events are answered %v, want %s", n, err, hub.CodeConflict)
		}
	}
	if got := c.Get(t.Context(), "hub:{orders}:log").Val(); got != "mine" {
		t.Errorf("the key is %q now", got)
	}
}

func TestLostAnswerIsUnconfirmedAndNeverSentAgain(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 5} {
		t.Run(fmt.Sprintf("%d events", n), func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			proxy := redistest.NewProxy(t, s.Addr())
			b := startBroker(t, proxy.URL())
			if _, err := publish(t.Context(), b, "orders", batch("before", n)); err != nil {
				t.Fatal(err)
			}
			// A heartbeat is a script, too: it may lose its answer in place of ours.
			var want []string
			var err error
			for i := 0; err == nil; i++ {
				proxy.DropReplies(1, "xadd", "evalsha")
				events := batch(fmt.Sprintf("lost-%d", i), n)
				_, err = publish(t.Context(), b, "orders", events)
				want = append(want, dataOf(events)...)
			}
			if code(err) != hub.CodeUnconfirmed {
				t.Errorf("it is answered %v, want %s", err, hub.CodeUnconfirmed)
			}
			proxy.Restore()
			if _, err := publish(t.Context(), b, "orders", batch("after", n)); err != nil {
				t.Fatal(err)
			}
			_, data := stream(t, s.Client(t), "orders")
			if got := data[n : len(data)-n]; !slices.Equal(got, want) {
				t.Errorf("between the others are %q, want each event once: %q", got, want)
			}
		})
	}
}

func TestPublishFailsFastWhileRedisIsGoneAndWorksOnceItIsBack(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendonly", "yes")
	b := startBroker(t, s.URL())
	answers := map[string]hub.Code{} // by data
	publish := func() hub.Code {
		name := strconv.Itoa(len(answers))
		began := time.Now()
		_, err := publish(t.Context(), b, "orders", []hub.Event{event(name)})
		const slack = 2 * time.Second // of a loaded machine
		if took := time.Since(began); took > 3*time.Second+slack {
			t.Errorf("the answer %v took %s", err, took)
		}
		if err != nil && hub.AsError(err).RetryAfter == 0 {
			t.Errorf("%v does not say when to come again", err)
		}
		answers[name] = code(err)
		return code(err)
	}
	until := func(want hub.Code) {
		t.Helper()
		eventually(t, func() string {
			if got := publish(); got != want {
				return fmt.Sprintf("it is answered %q, want %q", got, want)
			}
			return ""
		})
	}
	until("")
	s.Kill()
	if got := publish(); got == "" {
		t.Error("an event was published without Redis")
	}
	until(hub.CodeUnavailable) // the first may have found the old connection
	s.Restart()
	until("")
	_, data := stream(t, s.Client(t), "orders")
	times := map[string]int{}
	for _, name := range data {
		times[name]++
	}
	for name, c := range answers {
		least, most := 0, 1
		switch c {
		case "":
			least = 1
		case hub.CodeUnavailable:
			most = 0
		}
		if n := times[name]; n < least || n > most {
			t.Errorf("an event that was answered %q is stored %d times", c, n)
		}
	}
}

func TestSilentRedisIsAnsweredWithin3Seconds(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	if _, err := publish(t.Context(), b, "orders", batch("before", 1)); err != nil {
		t.Fatal(err)
	}
	s.Pause()
	var publishing sync.WaitGroup
	for i := range 50 {
		publishing.Go(func() {
			began := time.Now()
			_, err := publish(t.Context(), b, "orders", batch(fmt.Sprint(i), 1))
			if c := code(err); c != hub.CodeUnconfirmed && c != hub.CodeUnavailable {
				t.Errorf("it is answered %v", err)
			}
			const slack = 2 * time.Second // of a loaded machine
			if took := time.Since(began); took > 3*time.Second+slack {
				t.Errorf("the answer took %s", took)
			}
		})
	}
	publishing.Wait()
	s.Resume()
	tries := 0
	eventually(t, func() string {
		tries++
		if _, err := publish(t.Context(), b, "orders", batch(fmt.Sprintf("after-%d", tries), 1)); err != nil {
			return err.Error()
		}
		return ""
	})
	_, data := stream(t, s.Client(t), "orders")
	times := map[string]int{}
	for _, d := range data {
		if times[d]++; times[d] > 1 {
			t.Errorf("%s is stored %d times", d, times[d])
		}
	}
}
