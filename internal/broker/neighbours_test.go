package broker

import (
	"context"
	"sync"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// partialCluster is one that serves the slots whose masters live, and two streams of
// different masters: the first one's is not where the hubs' bell is.
func partialCluster(t *testing.T) (c *redistest.Cluster, other, own string, masters map[string]*redistest.Server) {
	t.Helper()
	c = redistest.StartCluster(t, 3)
	byAddr := map[string]*redistest.Server{}
	for _, n := range c.Nodes {
		byAddr[n.Addr()] = n
		if err := n.Client(t).ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
			t.Fatal(err)
		}
	}
	masters = map[string]*redistest.Server{}
	for name, key := range map[string]string{"orders": "hub:{orders}:log", "payments": "hub:{payments}:log", "refunds": "hub:{refunds}:log", "": "hub:bell"} {
		node, err := c.Client(t).MasterForKey(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		masters[name] = byAddr[node.Options().Addr]
	}
	for _, name := range []string{"orders", "payments", "refunds"} {
		if other == "" && masters[name] != masters[""] {
			other = name
		} else if own == "" {
			own = name
		}
	}
	if masters[other] == masters[own] {
		t.Fatalf("%s and %s have one master", other, own)
	}
	return c, other, own, masters
}

func TestASinkWhoseStreamHangsDeliversTheOthers(t *testing.T) {
	t.Parallel()
	c, dead, alive, masters := partialCluster(t)
	b, err := New(Options{RedisURL: c.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	publish := func(stream string) hub.ID {
		published, err := b.Publish(t.Context(), hub.Publication{Stream: stream, Events: []hub.Event{{Data: []byte("1")}}})
		if err != nil {
			t.Fatal(err)
		}
		return published.IDs[0]
	}
	publish(dead)
	publish(alive)
	consumer, err := b.Consume(t.Context(), hub.ConsumerSpec{Sink: "billing", Streams: []string{dead, alive}, Prefetch: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConsumer(t, consumer) })
	if first, err := consumer.Take(); err != nil || len(first.Events) > 0 {
		t.Fatalf("a new consumer was given %+v (%v)", first.Events, err)
	}

	// Now what was begun with the consumer is over.
	for _, stream := range []string{dead, alive} {
		want := publish(stream)
		if got := taken(t, consumer, 1); got[0].ID != want.String() {
			t.Fatalf("it was given %s, want %s", got[0].ID, want)
		}
	}

	masters[dead].Pause()
	t.Cleanup(masters[dead].Resume)
	// Something is always under way to the dead master, so that what comes next waits behind it.
	var asking sync.WaitGroup
	defer asking.Wait()
	asking.Go(func() {
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			_, _ = b.Stream(t.Context(), dead)
		}
	})
	key := b.keys.log(dead)
	for deadline := time.Now().Add(20 * time.Second); !b.working.current(nil, key, time.Now()).silent(time.Now()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody notices that the master does not answer")
		}
	}
	began := time.Now()
	b.ring(dead) // there might be something new
	want := publish(alive)
	if got := taken(t, consumer, 1); got[0].ID != want.String() {
		t.Fatalf("it was given %s, want %s", got[0].ID, want)
	}
	if took := time.Since(began); took > 700*time.Millisecond {
		t.Errorf("an event came %s after it was published: the credit was reserved for the stream that hangs", took)
	}
}
