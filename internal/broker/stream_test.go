package broker_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

func TestStreamsAreMadeListedAndDeleted(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	config := hub.StreamConfig{MaxEvents: 5, MaxAge: 0, OnFull: hub.OnFullReject}
	for _, created := range []bool{true, false} {
		status, made, err := one.PutStream(t.Context(), "orders", config)
		if err != nil || made != created || status.Config != config || status.Events != 0 || status.Last != (hub.ID{}) {
			t.Fatalf("a PUT answers %+v, %v, %v", status, made, err)
		}
	}
	if _, err := two.Publish(t.Context(), hub.Publication{Stream: "none", IfExists: true, Events: batch("x", 1)}); code(err) != hub.CodeStreamNotFound {
		t.Errorf("if_exists on no stream: %v", err)
	}
	ids, err := publish(t.Context(), two, "orders", batch("x", 2))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), two, "other", batch("x", 1)); err != nil {
		t.Fatal(err)
	}
	consume(t, two, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders", "sink-only"}, Prefetch: 1, Settings: hub.SinkSettings{hub.SettingFrom: "oldest"}})
	eventually(t, func() string {
		status, err := one.Stream(t.Context(), "orders")
		if err != nil || status.Events != 2 || status.First != ids[0] || status.Last != ids[1] || status.Bytes == 0 ||
			len(status.Sinks) != 1 || status.Sinks[0].Sink != "billing" || status.Sinks[0].Lag+status.Sinks[0].Pending != 2 {
			return fmt.Sprintf("%+v, %v", status, err)
		}
		return ""
	})
	if _, err := one.Stream(t.Context(), "sink-only"); code(err) != hub.CodeStreamNotFound {
		t.Errorf("a stream that only a sink has named is there: %v", err)
	}
	page, err := one.Streams(t.Context(), "o", 1, "", anything)
	if err != nil || len(page.Streams) != 1 || page.Streams[0].Stream != "orders" || page.Next != "orders" {
		t.Errorf("the first page is %+v, %v", page, err)
	}
	page, err = one.Streams(t.Context(), "o", 1, page.Next, anything)
	if err != nil || len(page.Streams) != 1 || page.Streams[0].Stream != "other" || page.Next != "" || page.Streams[0].Config != hub.DefaultStreamConfig() {
		t.Errorf("the second page is %+v, %v", page, err)
	}
	for range 2 {
		if err := one.DeleteStream(t.Context(), "orders"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := two.Stream(t.Context(), "orders"); code(err) != hub.CodeStreamNotFound {
		t.Errorf("the deleted stream is there: %v", err)
	}
	if page, err := two.Streams(t.Context(), "orders", 10, "", anything); err != nil || len(page.Streams) > 0 {
		t.Errorf("the deleted stream is listed: %+v, %v", page, err)
	}
	if _, err := two.Event(t.Context(), "orders", ids[0]); code(err) != hub.CodeStreamNotFound {
		t.Errorf("an event of the deleted stream: %v", err)
	}
}

func TestSinksGoOnWithAStreamThatIsMadeAgain(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 10}
	c := consume(t, two, spec)
	spec.Sink = "absent"
	consume(t, two, spec).Close(t.Context(), false)
	if _, err := publish(t.Context(), one, "orders", batch("x", 3)); err != nil {
		t.Fatal(err)
	}
	take(t, c, 3)
	if err := one.DeleteStream(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { // the hub of the consumer has heard of it
		if held := c.Held(); held != 0 {
			return fmt.Sprintf("%d events of the deleted stream are held", held)
		}
		return ""
	})
	if _, err := one.Stream(t.Context(), "orders"); code(err) != hub.CodeStreamNotFound {
		t.Errorf("it is there again before anybody publishes: %v", err)
	}
	ids, err := publish(t.Context(), two, "orders", batch("y", 2))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]hub.Consumer{"connected": c, "absent": consume(t, one, spec)} {
		if events := take(t, c, 2); events[0].ID != ids[0].String() || events[1].ID != ids[1].String() {
			t.Errorf("the %s sink got %+v", name, events)
		}
	}
	if status, err := one.Stream(t.Context(), "orders"); err != nil || status.Config != hub.DefaultStreamConfig() {
		t.Errorf("it is %+v, %v", status, err)
	}
}

func TestOneEventIsReadAndDeletedEverywhere(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	c := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 10})
	ids, err := publish(t.Context(), b, "orders", batch("x", 5))
	if err != nil {
		t.Fatal(err)
	}
	take(t, c, 5)
	if e, err := b.Event(t.Context(), "orders", ids[1]); err != nil || e.ID != ids[1].String() || string(e.Data) != `"x-1"` || e.Attempt != 0 {
		t.Errorf("the event is %+v, %v", e, err)
	}
	// One is held, one waits, one is a dead letter, one is redriven, one is done.
	nack := settlement("orders", ids[1:2])
	nack.Verb = hub.VerbNack
	hour := patience * 180
	nack.Delay = &hour
	dead := settlement("orders", ids[2:4])
	dead.Verb, dead.DeadLetter = hub.VerbNack, true
	for _, st := range []hub.Settlement{nack, dead, settlement("orders", ids[4:])} {
		if settled, err := b.Settle(t.Context(), "billing", st); err != nil || len(settled.Done) != len(st.Receipts) {
			t.Fatal(settled, err)
		}
	}
	c.Stop()
	if r, err := b.Redrive(t.Context(), "billing", hub.Redrive{IDs: ids[3:4]}); err != nil || r.Count != 1 {
		t.Fatal(r, err)
	}
	for range 2 {
		for _, id := range ids {
			if err := b.DeleteEvent(t.Context(), "orders", id); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range ids {
		if _, err := b.Event(t.Context(), "orders", id); code(err) != hub.CodeEventNotFound {
			t.Errorf("the deleted event is there: %v", err)
		}
	}
	status, err := b.Status(t.Context(), "billing")
	if err != nil || status.Streams[0].Pending != 1 || status.Streams[0].DeadLetters != 0 || status.Streams[0].Lag != 0 {
		t.Errorf("with one still held, the sink's figures are %+v, %v", status.Streams, err)
	}
	if settled, err := b.Settle(t.Context(), "billing", settlement("orders", ids[:1])); err != nil || len(settled.Done) != 1 {
		t.Errorf("the ack of what is held: %+v, %v", settled, err)
	}
	d, err := c.Take()
	if err != nil || len(d.Gaps)+len(d.Events) > 0 {
		t.Errorf("the consumer was told %+v, %v", d, err)
	}
}

func TestUnknownStreamsAreRefusedWithoutAutoCreation(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	declared := hub.StreamConfig{MaxEvents: 7, OnFull: hub.OnFullReject}
	b := startWith(t, broker.Options{RedisURL: s.URL(), NoAutoCreate: true, Declared: map[string]hub.StreamConfig{"orders": declared}})
	eventually(t, func() string {
		if status, err := b.Stream(t.Context(), "orders"); err != nil || status.Config != declared {
			return fmt.Sprintf("the declared stream is %+v, %v", status, err)
		}
		return ""
	})
	spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders", "payments"}, Prefetch: 10}
	_, publishing := publish(t.Context(), b, "payments", batch("x", 1))
	_, consuming := b.Consume(t.Context(), spec)
	_, _, pull := b.Pull(t.Context(), hub.ConsumerSpec{Sink: "pulled", Streams: []string{"payments"}}, 1, 0)
	_, _, _, putting := b.PutSink(t.Context(), "put", hub.SinkPut{Streams: []string{"payments"}})
	for doing, err := range map[string]error{"publish": publishing, "consume": consuming, "check": b.Check(t.Context(), spec), "pull": pull, "PUT of a sink": putting} {
		if code(err) != hub.CodeStreamNotFound {
			t.Errorf("a %s of an unknown stream is answered %v", doing, err)
		}
	}
	spec.Streams = spec.Streams[:1]
	c := consume(t, b, spec)
	if _, err := c.AddStream(t.Context(), "payments", ""); code(err) != hub.CodeStreamNotFound {
		t.Errorf("add_stream of an unknown stream is answered %v", err)
	}
	if keys := append(s.Client(t).Keys(t.Context(), "*payments*").Val(), s.Client(t).Keys(t.Context(), "*pulled*").Val()...); len(keys) > 0 {
		t.Errorf("keys were made: %v", keys)
	}
	for range 3 { // the script, and without it
		if _, err := publish(t.Context(), b, "orders", batch("x", 1)); err != nil {
			t.Fatal(err)
		}
	}
	take(t, c, 3)
	if _, _, err := b.PutStream(t.Context(), "payments", hub.DefaultStreamConfig()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddStream(t.Context(), "payments", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "payments", batch("x", 1)); err != nil {
		t.Fatal(err)
	}
	take(t, c, 1)
}

func TestChangedStreamCountsOnOtherHubs(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	for range 3 {
		if _, err := publish(t.Context(), two, "orders", batch("x", 1)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, one, "orders", hub.StreamConfig{MaxEvents: 20, OnFull: hub.OnFullReject})
	refused := 0
	eventually(t, func() string { // bells take a moment
		if _, err := publish(t.Context(), two, "orders", batch("x", 1)); code(err) == hub.CodeStreamFull {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
		if refused < 3 {
			return "it takes more than it should"
		}
		return ""
	})
	if n := s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n > 20 {
		t.Errorf("%d events are stored", n)
	}
}

func TestSinkBeginsAtACursor(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	var cursor hub.Cursor
	want := map[string]string{}
	for i, stream := range []string{"a", "b"} {
		ids, err := publish(t.Context(), b, stream, batch("x", 4))
		if err != nil {
			t.Fatal(err)
		}
		cursor = append(cursor, hub.Place{Stream: stream, After: ids[i]})
		want[stream] = ids[i+1].String()
	}
	spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{"a", "b"}, Prefetch: 10, Settings: hub.SinkSettings{hub.SettingFrom: "after:" + cursor.String()}}
	first := map[string]string{}
	for _, e := range take(t, consume(t, b, spec), 5) {
		if first[e.Stream] == "" {
			first[e.Stream] = e.ID
		}
	}
	for stream, id := range want {
		if first[stream] != id {
			t.Errorf("%s begins with %s, want %s", stream, first[stream], id)
		}
	}
	spec.Sink, spec.Streams = "audit", []string{"a", "c"}
	if _, err := b.Consume(t.Context(), spec); code(err) != hub.CodeInvalidRequest {
		t.Errorf("a cursor of other streams is answered %v", err)
	}
	if _, err := b.Status(t.Context(), "audit"); code(err) != hub.CodeSinkNotFound {
		t.Errorf("the sink was made all the same: %v", err)
	}
	// A place in a stream that was deleted since is no place in the next.
	spec.Sink, spec.Streams = "archive", []string{"a"}
	cursor[0].Born = "1"
	spec.Settings[hub.SettingFrom] = "after:" + cursor.String()
	if events := take(t, consume(t, b, spec), 4); string(events[0].Data) != `"x-0"` {
		t.Errorf("it begins with %+v", events[0])
	}
}

func TestStreamsOfOtherProgramsAreListed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	for _, stream := range []string{"seen", "published"} {
		if err := s.Client(t).Do(t.Context(), "xadd", "hub:{"+stream+"}:log", "*", "n", "1").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Stream(t.Context(), "seen"); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "published", batch("x", 1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if page, err := b.Streams(t.Context(), "", 10, "", anything); err != nil || len(page.Streams) != 2 {
			return fmt.Sprintf("%+v, %v", page, err)
		}
		return ""
	})
}

func TestDeletedStreamStaysGoneUnderLoadWithoutAutoCreation(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	options := broker.Options{RedisURL: s.URL(), NoAutoCreate: true}
	one, two := startWith(t, options), startWith(t, options)
	put(t, one, "orders", hub.StreamConfig{})
	consume(t, one, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 1})
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	for range 8 {
		publishing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := publish(t.Context(), two, "orders", batch("x", 1)); err != nil && code(err) != hub.CodeStreamNotFound {
					t.Error(err)
					return
				}
			}
		})
	}
	eventually(t, func() string {
		if n := s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n < 100 {
			return fmt.Sprintf("%d events are there", n)
		}
		return ""
	})
	if err := one.DeleteStream(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := publish(t.Context(), two, "orders", batch("x", 1)); code(err) != hub.CodeStreamNotFound {
			t.Errorf("it is there again: %v", err)
		}
	}
	close(stop)
	publishing.Wait()
	if _, err := one.Stream(t.Context(), "orders"); code(err) != hub.CodeStreamNotFound {
		t.Errorf("it is there again: %v", err)
	}
}

func TestStrictSinkGoesOnAtOnceWhenTheFailedEventIsDeleted(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	c := consume(t, b, hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders"}, Prefetch: 1, Settings: hub.SinkSettings{hub.SettingOrder: hub.OrderStrict},
	})
	ids, err := publish(t.Context(), b, "orders", batch("x", 2))
	if err != nil {
		t.Fatal(err)
	}
	take(t, c, 1)
	hour := patience * 180
	nack := settlement("orders", ids[:1])
	nack.Verb, nack.Delay = hub.VerbNack, &hour
	if settled, err := b.Settle(t.Context(), "billing", nack); err != nil || len(settled.Done) != 1 {
		t.Fatal(settled, err)
	}
	began := time.Now()
	if err := b.DeleteEvent(t.Context(), "orders", ids[0]); err != nil {
		t.Fatal(err)
	}
	if events := take(t, c, 1); events[0].ID != ids[1].String() {
		t.Errorf("next came %+v", events)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it went on after %s", took)
	}
}
