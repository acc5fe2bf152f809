package broker_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

func keyed(key, data string) hub.Event {
	return hub.Event{IdempotencyKey: key, Data: []byte(data)}
}

func TestSameKeysOnTwoHubsAtOnceAreStoredOnce(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	hubs := []*broker.Broker{startBroker(t, s.URL()), startBroker(t, s.URL())}
	const keys = 500
	ids := [2][keys]hub.ID{}
	replayed := [2][keys]int{}
	var wg sync.WaitGroup
	for h, b := range hubs {
		for i := range keys {
			wg.Go(func() {
				p, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{keyed(fmt.Sprint("key-", i), fmt.Sprint(i))}})
				if err != nil {
					t.Errorf("key %d on hub %d: %v", i, h, err)
					return
				}
				ids[h][i], replayed[h][i] = p.IDs[0], len(p.Replayed)
			})
		}
	}
	wg.Wait()
	for i := range keys {
		if ids[0][i] != ids[1][i] || replayed[0][i]+replayed[1][i] != 1 {
			t.Fatalf("key %d has the ids %s and %s, and %d replays", i, ids[0][i], ids[1][i], replayed[0][i]+replayed[1][i])
		}
	}
	if n := s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n != keys {
		t.Errorf("%d events are stored, want %d", n, keys)
	}
}

func TestOtherContentUnderAKnownKeyIsAConflictAndStoresNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	first, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{keyed("a", "1"), keyed("b", "2")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]hub.Event{
		"data":         keyed("b", "3"),
		"type":         {IdempotencyKey: "b", Data: []byte("2"), Type: "t"},
		"topic":        {IdempotencyKey: "b", Data: []byte("2"), Topic: "t"},
		"key":          {IdempotencyKey: "b", Data: []byte("2"), Key: "t"},
		"content type": {IdempotencyKey: "b", Data: []byte("2"), ContentType: "t/x"},
		"headers":      {IdempotencyKey: "b", Data: []byte("2"), Headers: []byte(`{"a":"b"}`)},
		"binary":       {IdempotencyKey: "b", Data: []byte("2"), Binary: true},
	} {
		_, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{keyed("a", "1"), keyed("c", "3"), other}})
		e := hub.AsError(err)
		if err == nil || e.Code != hub.CodeConflict || len(e.Faults) != 1 || e.Faults[0].Pointer != "/2/idempotency_key" {
			t.Errorf("other %s is answered %+v", name, err)
		}
	}
	again, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{keyed("b", "2"), keyed("c", "3"), keyed("c", "3"), {Data: []byte("4")}}})
	if err != nil {
		t.Fatal(err)
	}
	if again.IDs[0] != first.IDs[1] || again.IDs[1] != again.IDs[2] || !slices.Equal(again.Replayed, []int{0, 2}) || again.Replay() {
		t.Errorf("a batch of old and new: %+v after %+v", again, first)
	}
	if n := s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n != 4 {
		t.Errorf("%d events are stored, want 4", n)
	}
	_, err = b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{keyed("d", "1"), keyed("d", "2")}})
	if e := hub.AsError(err); err == nil || e.Code != hub.CodeConflict || e.Faults[0].Pointer != "/1/idempotency_key" {
		t.Errorf("one key for two contents in a request is answered %v", err)
	}
}

func TestKeyOfARequestCountsForAllOfIt(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	p := hub.Publication{Stream: "orders", Key: "request", Events: batch("x", 3)}
	first, err := b.Publish(t.Context(), p)
	if err != nil || first.Replayed != nil {
		t.Fatal(first, err)
	}
	again, err := b.Publish(t.Context(), p)
	if err != nil || !slices.Equal(again.IDs, first.IDs) || !again.Replay() {
		t.Errorf("again: %+v (%v), first %+v", again, err, first)
	}
	p.Events = batch("x", 2)
	if _, err := b.Publish(t.Context(), p); code(err) != hub.CodeConflict || hub.AsError(err).Faults[0].Pointer != "Idempotency-Key" {
		t.Errorf("fewer events under the same key are answered %v", err)
	}
	// An event's key and a request's have nothing to do with each other, nor have streams.
	for _, other := range []hub.Publication{
		{Stream: "orders", Events: []hub.Event{keyed("request", "1")}},
		{Stream: "payments", Key: "request", Events: batch("y", 1)},
	} {
		if p, err := b.Publish(t.Context(), other); err != nil || p.Replayed != nil {
			t.Errorf("%+v is answered %+v, %v", other, p, err)
		}
	}
}

func TestKeysAreForgottenAfterTheWindowAndWithTheStream(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startWith(t, broker.Options{RedisURL: s.URL(), IdempotencyWindow: 50 * time.Millisecond})
	p := hub.Publication{Stream: "orders", Key: "request", Events: []hub.Event{keyed("a", "1")}}
	if _, err := b.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if keys := s.Client(t).Keys(t.Context(), "*idem*").Val(); len(keys) > 0 {
			return fmt.Sprint("still there: ", keys)
		}
		return ""
	})
	if again, err := b.Publish(t.Context(), p); err != nil || again.Replayed != nil {
		t.Errorf("after the window: %+v, %v", again, err)
	}

	long := startBroker(t, s.URL())
	p.Stream = "payments"
	if _, err := long.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := long.DeleteStream(t.Context(), "payments"); err != nil {
		t.Fatal(err)
	}
	if again, err := long.Publish(t.Context(), p); err != nil || again.Replayed != nil {
		t.Errorf("after the stream was deleted: %+v, %v", again, err)
	}
}

func TestLostAnswerIsNoSecondEntryWithAKey(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	proxy := redistest.NewProxy(t, s.Addr())
	b := startBroker(t, proxy.URL())
	var p hub.Publication
	for try := 0; ; try++ { // the hub's own scripts may lose their answer in its place
		p = hub.Publication{Stream: "orders", Events: []hub.Event{keyed(fmt.Sprint(try), "1")}}
		proxy.DropReplies(1, "evalsha", "eval")
		_, err := b.Publish(t.Context(), p)
		if code(err) == hub.CodeUnconfirmed {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() string {
		if again, err := b.Publish(t.Context(), p); err != nil || !again.Replay() {
			return fmt.Sprintf("again: %+v, %v", again, err)
		}
		return ""
	})
	seen := map[string]bool{}
	for _, entry := range s.Client(t).XRange(t.Context(), "hub:{orders}:log", "-", "+").Val() {
		seen[entry.ID] = true
	}
	if len(seen) != tries(p) {
		t.Errorf("%d events are stored under %d keys", len(seen), tries(p))
	}
}

func TestKeyOfARequestCountsThoughItsEventsWereThere(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	events := []hub.Event{keyed("a", "1")}
	if _, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: events}); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Key: "request", Events: events}); err != nil || !p.Replay() {
		t.Errorf("known events under a new key: %+v, %v", p, err)
	}
	if _, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Key: "request", Events: batch("x", 1)}); code(err) != hub.CodeConflict {
		t.Errorf("other events under that key are answered %v", err)
	}
}

// tries is how many keys there were, by the last.
func tries(p hub.Publication) int {
	n, _ := strconv.Atoi(p.Events[0].IdempotencyKey)
	return n + 1
}
