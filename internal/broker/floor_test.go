package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// receive waits until a consumer was given n events.
func receive(t *testing.T, c hub.Consumer, n int) []hub.Event {
	t.Helper()
	var events []hub.Event
	timeout := time.After(patience)
	for {
		more, err := c.Take()
		if err != nil {
			t.Fatal(err)
		}
		if events = append(events, more...); len(events) >= n {
			return events
		}
		if len(more) > 0 {
			continue
		}
		select {
		case <-c.Ready():
		case <-timeout:
			t.Fatalf("%d events came, want %d", len(events), n)
		}
	}
}

// ack acknowledges events and waits for the answer.
func ack(t *testing.T, c hub.Consumer, stream string, ids ...hub.ID) {
	t.Helper()
	answered := make(chan error, 1)
	if err := c.Ack(stream, ids, func(_ hub.AckResult, err error) { answered <- err }); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-answered:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the ack is not answered")
	}
}

func TestFloorNeverPassesAnEventThatIsOwed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	direct := s.Client(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	ids, err := one.Publish(t.Context(), "orders", batch("n", 3))
	if err != nil {
		t.Fatal(err)
	}
	owed := ids[0]
	holder := consume(t, one, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, From: "oldest", Prefetch: 10, AckWait: time.Hour})
	receive(t, holder, 3)

	destroy := func() {
		t.Helper()
		if err := direct.XGroupDestroy(t.Context(), "hub:{orders}:log", "billing").Err(); err != nil {
			t.Fatal(err)
		}
	}
	// Nothing but a floor's recording sets a hash field once the sink is known.
	recorded := func() int { return figure(t, direct, "commandstats", "cmdstat_hset:calls=") }
	await := func(n int) {
		t.Helper()
		eventually(t, func() string {
			if got := recorded(); got < n {
				return fmt.Sprintf("%d hash fields were set, want %d", got, n)
			}
			return ""
		})
	}
	before := recorded()
	ack(t, holder, "orders", ids[2])
	await(before + 1)

	// The other hub makes the lost group again; this one does not hear of it, and
	// goes on acknowledging what it was given before.
	destroy()
	consume(t, two, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 1}).Pause()
	before = recorded()
	ack(t, holder, "orders", ids[1])
	await(before + 1)

	destroy()
	again := consume(t, one, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 10})
	holder.Pause()
	var got []string
	for !slices.Contains(got, owed.String()) {
		for _, e := range receive(t, again, 1) {
			got = append(got, e.ID)
		}
	}
}
