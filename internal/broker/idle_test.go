package broker_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// consume attaches a consumer until the end of the test and has it ask for
// events.
func consume(t *testing.T, b interface {
	Consume(context.Context, hub.ConsumerSpec) (hub.Consumer, error)
}, spec hub.ConsumerSpec,
) hub.Consumer {
	t.Helper()
	c, err := b.Consume(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		c.Close(ctx, false)
	})
	if d, err := c.Take(); err != nil || len(d.Events) != 0 {
		t.Fatalf("a new consumer was given %d events (%v)", len(d.Events), err)
	}
	return c
}

// figure reads a number of INFO.
func figure(t *testing.T, c *redis.Client, section, name string) int {
	t.Helper()
	info, err := c.Info(t.Context(), section).Result()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), name); ok {
			text, _, _ = strings.Cut(text, ",")
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("%s is %q", name, text)
			}
			return n
		}
	}
	return 0
}

// commandRate is how many commands a second Redis runs.
func commandRate(t *testing.T, c *redis.Client) float64 {
	t.Helper()
	const window = 4 * time.Second
	began, before := time.Now(), figure(t, c, "stats", "total_commands_processed:")
	<-time.After(window) // a rate needs a time
	after, took := figure(t, c, "stats", "total_commands_processed:"), time.Since(began)
	const own = 1 // this INFO
	return float64(after-before-own) / took.Seconds()
}

func TestIdleSinksCostAlmostNothing(t *testing.T) {
	t.Parallel()
	idleSinks(t, nil, "cmdstat_xinfo|consumers:calls=")
}

func TestIdleSinksInStrictOrderCostAlmostNothing(t *testing.T) {
	t.Parallel()
	idleSinks(t, hub.SinkSettings{hub.SettingOrder: hub.OrderStrict}, "cmdstat_xreadgroup:calls=")
}

// idleSinks measures many, once each of them has run a command twice: when it
// began, and when its hub had seen for long enough which hubs are alive.
func idleSinks(t *testing.T, settings hub.SinkSettings, command string) {
	t.Helper()
	const sinks = 500
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	c := s.Client(t)
	var consuming sync.WaitGroup
	turns := make(chan struct{}, 8)
	consumers := make([]hub.Consumer, sinks)
	for i := range sinks {
		consuming.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			var err error
			consumers[i], err = b.Consume(t.Context(), hub.ConsumerSpec{
				Sink: fmt.Sprintf("sink-%d", i), Streams: []string{fmt.Sprintf("stream-%d", i)}, Prefetch: 10, Settings: settings,
			})
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = consumers[i].Take() // asks for events
		})
	}
	consuming.Wait()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		for _, consumer := range consumers {
			if consumer != nil {
				consumer.Close(ctx, false)
			}
		}
	}()
	eventually(t, func() string {
		if n := figure(t, c, "commandstats", command); n < 2*sinks {
			return fmt.Sprintf("%s%d of %d", command, n, 2*sinks)
		}
		return ""
	})

	if rate := commandRate(t, c); rate >= 50 {
		t.Errorf("%d idle sinks cost %.1f commands a second, want fewer than 50", sinks, rate)
	}
	if n := s.ClientCount(t, b.Name()); n > 12 {
		t.Errorf("the hub has %d connections for %d sinks, want a handful", n, sinks)
	}

	// Idle, not deaf.
	if _, err := publish(t.Context(), b, "stream-250", []hub.Event{event("1")}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-consumers[250].Ready():
	case <-time.After(patience):
		t.Fatal("the event does not come")
	}
	if d, err := consumers[250].Take(); err != nil || len(d.Events) != 1 {
		t.Errorf("there are %d events (%v)", len(d.Events), err)
	}
}

func TestForeignEntryReachesAnIdleSink(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	consumer := consume(t, startBroker(t, s.URL()), hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 10})
	// Nobody rings a bell for it.
	err := s.Client(t).XAdd(t.Context(), &redis.XAddArgs{Stream: "hub:{orders}:log", Values: []string{"total", "1"}}).Err()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-consumer.Ready():
	case <-time.After(patience):
		t.Fatal("the event does not come")
	}
	d, err := consumer.Take()
	events := d.Events
	if err != nil || len(events) != 1 || string(events[0].Data) != `{"total":"1"}` || events[0].Attempt != 1 {
		t.Errorf("the events are %+v (%v)", events, err)
	}
}

func TestTenThousandPendingEventsCostLittle(t *testing.T) {
	t.Parallel()
	const events = hub.MaxPrefetch
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	holders := map[string]hub.Consumer{}
	for sink, ackWait := range map[string]string{"held": "1h", "waiting": "4s"} { // others look every 5 s, or every second
		holders[sink] = consume(t, one, hub.ConsumerSpec{
			Sink: sink, Streams: []string{"orders"}, Prefetch: events,
			Settings: hub.SinkSettings{hub.SettingAckWait: ackWait},
		})
	}
	for range events / 1000 {
		if _, err := publish(t.Context(), one, "orders", batch("x", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	take(t, holders["held"], events)
	hour := time.Hour
	nack := hub.Settlement{Verb: hub.VerbNack, Stream: "orders", Delay: &hour}
	for _, e := range take(t, holders["waiting"], events) {
		id, err := hub.ParseID(e.ID)
		if err != nil {
			t.Fatal(err)
		}
		nack.Receipts = append(nack.Receipts, hub.Receipt{ID: id})
	}
	if result, err := one.Settle(t.Context(), "waiting", nack); err != nil || len(result.Done) != events {
		t.Fatalf("%d events wait (%v)", len(result.Done), err)
	}
	for sink := range holders {
		consume(t, two, hub.ConsumerSpec{Sink: sink, Streams: []string{"orders"}, Prefetch: 10}) // would have them all
	}
	c := s.Client(t)
	if rate := commandRate(t, c); rate >= 200 {
		t.Errorf("%d pending events cost two hubs %.1f commands a second, want fewer than 200", 2*events, rate)
	}
	for _, sink := range []string{"held", "waiting"} {
		status, err := two.Status(t.Context(), sink)
		if err != nil || status.Streams[0].Pending != events {
			t.Errorf("of the sink %s are pending %+v (%v), want %d", sink, status.Streams, err, events)
		}
	}
}
