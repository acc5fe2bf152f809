package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// settlement acknowledges events.
func settlement(stream string, ids []hub.ID) hub.Settlement {
	s := hub.Settlement{Stream: stream}
	for _, id := range ids {
		s.Receipts = append(s.Receipts, hub.Receipt{ID: id})
	}
	return s
}

// ack acknowledges events and waits for the answer.
func ack(t *testing.T, c hub.Consumer, stream string, ids ...hub.ID) {
	t.Helper()
	answered := make(chan error, 1)
	if err := c.Settle(settlement(stream, ids), func(_ hub.Settled, err error) { answered <- err }); err != nil {
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
	ids, err := publish(t.Context(), one, "orders", batch("n", 3))
	if err != nil {
		t.Fatal(err)
	}
	owed := ids[0]
	holder := consume(t, one, hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders"}, Prefetch: 10,
		Settings: hub.SinkSettings{hub.SettingFrom: "oldest", hub.SettingAckWait: "1h"},
	})
	take(t, holder, 3)

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
	consume(t, two, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 1}).Stop()
	before = recorded()
	ack(t, holder, "orders", ids[1])
	await(before + 1)

	destroy()
	again := consume(t, one, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 10})
	holder.Stop()
	var got []string
	for !slices.Contains(got, owed.String()) {
		for _, e := range take(t, again, 1) {
			got = append(got, e.ID)
		}
	}
}
