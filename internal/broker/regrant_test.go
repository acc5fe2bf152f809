package broker_test

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// take waits until a consumer was given n events.
func take(t *testing.T, c hub.Consumer, n int) []hub.Event {
	t.Helper()
	var events []hub.Event
	timeout := time.After(patience)
	for len(events) < n {
		more, err := c.Take()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, more.Events...)
		if len(more.Events) == 0 {
			select {
			case <-c.Ready():
			case <-timeout:
				t.Fatalf("%d events came, want %d", len(events), n)
			}
		}
	}
	return events
}

func TestEventDeliveredAnewAfterALostGroupCountsOnce(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	consumer := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 20})
	if _, err := publish(t.Context(), b, "orders", batch("x", 5)); err != nil {
		t.Fatal(err)
	}
	take(t, consumer, 5)
	if err := s.Client(t).XGroupDestroy(t.Context(), "hub:{orders}:log", "billing").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "orders", batch("y", 1)); err != nil {
		t.Fatal(err)
	}
	events := take(t, consumer, 6)
	if held := consumer.Held(); held != 6 {
		t.Errorf("the consumer is said to hold %d events, want 6", held)
	}
	ids := make([]hub.ID, len(events))
	for i, e := range events {
		ids[i], _ = hub.ParseID(e.ID)
	}
	done := make(chan error, 1)
	if err := consumer.Settle(settlement("orders", ids), func(_ hub.Settled, err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if held := consumer.Held(); held != 0 {
		t.Errorf("with everything acknowledged the consumer is said to hold %d events", held)
	}
}

func TestSinkOfSeveralStreamsOutlivesTheLossOfAllKeys(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	streams := []string{"orders", "payments", "refunds"}
	consumer := consume(t, b, hub.ConsumerSpec{
		Sink: "billing", Streams: streams, Prefetch: 20,
		Settings: hub.SinkSettings{hub.SettingAckWait: "1h", hub.SettingMaxDeliveries: "3"},
	})
	if err := s.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		if _, err := publish(t.Context(), b, stream, batch("x", 1)); err != nil {
			t.Fatal(err)
		}
	}
	take(t, consumer, len(streams))
	want := consumer.Info().Config
	eventually(t, func() string {
		if status, err := b.Status(t.Context(), "billing"); err != nil || !reflect.DeepEqual(status.Config, want) {
			return fmt.Sprintf("the sink is made again as %+v (%v), want %+v", status.Config, err, want)
		}
		return ""
	})
}

// A group without the sink's settings would deliver, and yet GET would say that
// there is no such sink.
func TestLostSinkIsStoredBeforeItsGroupIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	consumer := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 20})
	client := s.Client(t)
	awaitHeartbeats(t, client) // with its first, a hub makes sure of what its sinks have
	pipe := client.TxPipeline()
	pipe.FlushAll(t.Context())
	pipe.Set(t.Context(), "hub:sink:billing", "nothing that can be written to as a sink", 0)
	pipe.ConfigResetStat(t.Context())
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "orders", batch("x", 1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if stats := client.Info(t.Context(), "errorstats").Val(); !strings.Contains(stats, "errorstat_NOGROUP") ||
			!regexp.MustCompile(`errorstat_WRONGTYPE:count=([4-9]|\d\d)`).MatchString(stats) {
			return "the sink was not tried to be stored again: " + stats
		}
		return ""
	})
	if groups := client.XInfoGroups(t.Context(), "hub:{orders}:log").Val(); len(groups) > 0 {
		t.Errorf("its group was made all the same: %+v", groups)
	}
	if err := client.Del(t.Context(), "hub:sink:billing").Err(); err != nil {
		t.Fatal(err)
	}
	take(t, consumer, 1)
	if _, err := b.Status(t.Context(), "billing"); err != nil {
		t.Errorf("the sink delivers, and yet its status is %v", err)
	}
}
