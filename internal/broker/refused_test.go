package broker_test

import (
	"testing"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

func TestRedisThatRefusesTheHubIsNoSuccess(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	consumer := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 20})
	ids, err := publish(t.Context(), b, "orders", batch("x", 1))
	if err != nil {
		t.Fatal(err)
	}
	take(t, consumer, 1)
	eventually(t, func() string {
		if _, err := b.Ready(t.Context()); err != nil {
			return err.Error()
		}
		return ""
	})

	c := s.Client(t)
	for _, do := range [][]any{{"config", "set", "requirepass", "new"}, {"client", "kill", "skipme", "yes"}} {
		if err := c.Do(t.Context(), do...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // the first may find only that the old connection is gone
		if _, err := b.Ready(t.Context()); err == nil {
			t.Error("the hub is ready")
		}
		if ids, err := publish(t.Context(), b, "orders", batch("x", 1)); err == nil {
			t.Errorf("an event was published as %v", ids)
		}
		if ids, err := b.Broadcast(t.Context(), "room", batch("x", 1)); err == nil {
			t.Errorf("a message was broadcast as %v", ids)
		}
		if result, err := b.Settle(t.Context(), "billing", settlement("orders", ids)); code(err) != hub.CodeUnavailable && code(err) != hub.CodeUnconfirmed {
			t.Errorf("an ack is answered %+v, %v", result, err)
		}
	}
	done := make(chan error, 1)
	if err := consumer.Settle(settlement("orders", ids), func(_ hub.Settled, err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("an ack is ok that Redis has not heard of")
	}
}
