package broker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"eventhub/internal/alloctest"
	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// benchmarkedBroker is a hub's engine on a redis-server.
func benchmarkedBroker(b *testing.B, server *redistest.Server) *broker.Broker {
	b.Helper()
	engine, err := broker.New(broker.Options{RedisURL: server.URL()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), patience)
		defer cancel()
		if err := engine.Close(ctx); err != nil {
			b.Errorf("closing the broker: %v", err)
		}
	})
	return engine
}

// orders are events of about 300 bytes.
func orders(n int) []hub.Event {
	data := fmt.Appendf(nil, `{"x":%q}`, strings.Repeat("x", 200))
	events := make([]hub.Event, n)
	for i := range events {
		events[i] = hub.Event{Type: "order.created", Topic: "eu.de", Key: "customer-42", Data: data}
	}
	return events
}

// benchmarkPublish has one caller publish so many events at a time, and wait for the
// bell. So it pays alone for each pipeline and each bell, which others would share.
func benchmarkPublish(b *testing.B, events int) {
	server := redistest.Start(b)
	bell, rung := alloctest.Neighbour(b, server.Addr()), []byte(alloctest.Rung)
	engine := benchmarkedBroker(b, server)
	publication := hub.Publication{Stream: "orders", Events: orders(events)}
	publish := func() {
		store(b, engine, publication)
		bell.Await(rung)
	}
	publish() // the stream is known from here on
	b.ReportAllocs()
	for b.Loop() {
		publish()
	}
}

func store(b *testing.B, engine *broker.Broker, p hub.Publication) {
	if _, err := engine.Publish(b.Context(), p); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPublishEvent(b *testing.B) { benchmarkPublish(b, 1) }

func BenchmarkPublishArrayOf100(b *testing.B) { benchmarkPublish(b, 100) }

// benchmarkSink has a consumer take a thousand events an iteration, and acknowledge
// them so many at a time; it waits until Redis has all of the acks.
func benchmarkSink(b *testing.B, each int) {
	engine := benchmarkedBroker(b, redistest.Start(b))
	consumer, err := engine.Consume(b.Context(), hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders"}, Prefetch: 1000, MaxBytes: 64 << 20,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { consumer.Close(context.WithoutCancel(b.Context()), false) })
	batch := hub.Publication{Stream: "orders", Events: orders(1000)}
	receipts := make([]hub.Receipt, 0, 1000)
	acked := make(chan error, 1000)
	done := func(settled hub.Settled, err error) {
		if err == nil && len(settled.Done) != each {
			err = fmt.Errorf("%d events are acked of %d", len(settled.Done), each)
		}
		acked <- err
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		consumer.Pause(func() { acked <- nil }) // all of them are read at once
		<-acked
		store(b, engine, batch)
		b.StartTimer()
		consumer.Resume()
		receipts = takeThousand(b, consumer, receipts[:0])
		for from := 0; from < len(receipts); from += each {
			if err := consumer.Settle(hub.Settlement{Verb: hub.VerbAck, Stream: "orders", Receipts: receipts[from : from+each]}, done); err != nil {
				b.Fatal(err)
			}
		}
		for range len(receipts) / each {
			if err := <-acked; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// takeThousand takes a thousand events.
func takeThousand(b *testing.B, consumer hub.Consumer, receipts []hub.Receipt) []hub.Receipt {
	for {
		delivery, err := consumer.Take()
		if err != nil {
			b.Fatal(err)
		}
		for i := range delivery.Events {
			id, err := hub.ParseID(delivery.Events[i].ID)
			if err != nil {
				b.Fatal(err)
			}
			receipts = append(receipts, hub.Receipt{ID: id})
		}
		if len(receipts) == 1000 {
			return receipts
		}
		if len(delivery.Events) == 0 {
			<-consumer.Ready()
		}
	}
}

func BenchmarkSinkAckOf1000(b *testing.B) { benchmarkSink(b, 1000) }

func BenchmarkSink1000Acks(b *testing.B) { benchmarkSink(b, 1) }

// BenchmarkHistory has a reader read a thousand events that were there before it.
func BenchmarkHistory(b *testing.B) {
	engine := benchmarkedBroker(b, redistest.Start(b))
	store(b, engine, hub.Publication{Stream: "orders", Events: orders(1000)})
	from, _ := hub.ParsePosition("oldest")
	b.ReportAllocs()
	for b.Loop() {
		reader, err := engine.Read(b.Context(), hub.ReaderSpec{Streams: []string{"orders"}, From: from})
		if err != nil {
			b.Fatal(err)
		}
		readOn(b, reader, 1000)
		reader.Close()
	}
}

// readOn has a reader get n events.
func readOn(b *testing.B, reader hub.Reader, n int) {
	for n > 0 {
		reading, err := reader.Take(0)
		if err != nil {
			b.Fatal(err)
		}
		if n -= len(reading.Events); len(reading.Events) == 0 {
			<-reader.Ready()
		}
	}
}

// BenchmarkTail has 100 readers get an array of 100 events as it is published, the
// publishing included.
func BenchmarkTail(b *testing.B) {
	engine := benchmarkedBroker(b, redistest.Start(b))
	batch := hub.Publication{Stream: "orders", Events: orders(100)}
	store(b, engine, batch)
	readers := make([]hub.Reader, 100)
	for i := range readers {
		var err error
		if readers[i], err = engine.Read(b.Context(), hub.ReaderSpec{Streams: []string{"orders"}, From: hub.Latest}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(readers[i].Close)
	}
	b.ReportAllocs()
	for b.Loop() {
		store(b, engine, batch)
		for _, reader := range readers {
			readOn(b, reader, len(batch.Events))
		}
	}
}

// BenchmarkBroadcast has a thousand subscribers take a message of the channel.
func BenchmarkBroadcast(b *testing.B) {
	engine := benchmarkedBroker(b, redistest.Start(b))
	message := orders(1)
	subscribers := make([]hub.Subscription, 1000)
	for i := range subscribers {
		var err error
		if subscribers[i], err = engine.Subscribe(b.Context(), hub.BroadcastSpec{Channels: []string{"room"}}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(subscribers[i].Close)
	}
	taken := make([]*hub.Message, 0, 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Broadcast(b.Context(), "room", message); err != nil {
			b.Fatal(err)
		}
		for _, s := range subscribers {
			taken = taken[:0]
			for len(taken) == 0 {
				<-s.Ready()
				var err error
				if taken, err = s.Take(taken, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
