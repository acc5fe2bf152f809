package broker

import (
	"context"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// startConsumer runs a hub's engine with one consumer until the end of the test.
func startConsumer(t *testing.T, url string) (*Broker, hub.Consumer) {
	t.Helper()
	b, err := New(Options{RedisURL: url})
	if err != nil {
		t.Fatal(err)
	}
	spec := hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders"}, Prefetch: 10,
		Settings: hub.SinkSettings{hub.SettingFrom: "oldest", hub.SettingAckWait: "1h"},
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("closing the broker: %v", err)
		}
	})
	c, err := b.Consume(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConsumer(t, c) })
	return b, c
}

func closeConsumer(t *testing.T, c hub.Consumer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	c.Close(ctx, false)
}

// taken waits until a consumer was given n events.
func taken(t *testing.T, c hub.Consumer, n int) []hub.Event {
	t.Helper()
	var events []hub.Event
	timeout := time.After(20 * time.Second)
	for len(events) < n {
		more, err := c.Take()
		if err != nil {
			t.Fatal(err)
		}
		if events = append(events, more.Events...); len(more.Events) > 0 {
			continue
		}
		select {
		case <-c.Ready():
		case <-timeout:
			t.Fatalf("%d events came, want %d", len(events), n)
		}
	}
	return events
}

// settlement acknowledges events.
func settlement(stream string, ids []hub.ID) hub.Settlement {
	s := hub.Settlement{Stream: stream}
	for _, id := range ids {
		s.Receipts = append(s.Receipts, hub.Receipt{ID: id})
	}
	return s
}

func TestHubThatGotOnlyRedeliveriesComesToRest(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, leaving := startConsumer(t, s.URL())
	published, err := one.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{{Data: []byte("1")}, {Data: []byte("2")}, {Data: []byte("3")}}})
	ids := published.IDs
	if err != nil {
		t.Fatal(err)
	}
	taken(t, leaving, 3)
	closeConsumer(t, leaving) // which hands them back

	two, c := startConsumer(t, s.URL())
	for _, e := range taken(t, c, 3) {
		if e.Attempt != 2 {
			t.Errorf("event %s came with attempt %d, want 2", e.ID, e.Attempt)
		}
	}
	acked := make(chan error, 1)
	if err := c.Settle(settlement("orders", ids), func(_ hub.Settled, err error) { acked <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
	if _, err := c.Take(); err != nil { // it asks for more
		t.Fatal(err)
	}
	// At rest, a sink sleeps for minutes unless something is to be done.
	next := make(chan time.Duration)
	sleeps := time.Duration(0)
	for deadline := time.Now().Add(20 * time.Second); sleeps < idleLook/2; {
		if time.Now().After(deadline) {
			t.Fatalf("with nothing to do the sink sleeps for %s only", sleeps)
		}
		two.sink("billing").post(func() { next <- two.sink("billing").nextLook(time.Now()) })
		sleeps = <-next
		<-time.After(10 * time.Millisecond)
	}
}
