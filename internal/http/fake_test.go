package http_test

import (
	"context"
	"slices"
	"time"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

var _ http.Broker = (*fakeBroker)(nil)

// fakeBroker answers as it is told; what is nil answers with nothing wrong.
type fakeBroker struct {
	fakeReaders
	fakeStreams
	fakeChannels
	fakeTickets
	publish     func(ctx context.Context, p hub.Publication) (hub.Published, error)
	broadcast   func(channel string, events []hub.Event) ([]string, error)
	ready       func() (time.Duration, error)
	putSink     func(sink string, put hub.SinkPut) (hub.SinkStatus, bool, []string, error)
	sinks       func(limit int, after string) (hub.SinkPage, error)
	status      func(sink string) (hub.SinkStatus, error)
	deleteSink  func(sink string) error
	seek        func(sink, stream string, to hub.Position) error
	pull        func(ctx context.Context, spec hub.ConsumerSpec, most int, wait time.Duration) ([]hub.Event, func(), error)
	settle      func(sink string, s hub.Settlement) (hub.Settled, error)
	pending     func(sink string, limit int) ([]hub.PendingEvent, error)
	deadLetters func(sink string, limit int, cursor string) (hub.DeadLetterPage, error)
	redrive     func(sink string, r hub.Redrive) (hub.Redriven, error)
	purge       func(sink string) error
}

func (f *fakeBroker) Publish(ctx context.Context, p hub.Publication) (hub.Published, error) {
	if f.publish != nil {
		return f.publish(ctx, p)
	}
	ids := make([]hub.ID, len(p.Events))
	for i := range ids {
		ids[i] = hub.ID{MS: 1763650000000, Seq: uint64(i)}
	}
	return hub.Published{IDs: ids}, nil
}

func (f *fakeBroker) Broadcast(_ context.Context, channel string, events []hub.Event) ([]string, error) {
	if f.broadcast != nil {
		return f.broadcast(channel, events)
	}
	ids := make([]string, len(events))
	for i := range ids {
		ids[i] = "m-" + string(rune('a'+i))
	}
	return ids, nil
}

func (f *fakeBroker) Ready(context.Context) (time.Duration, error) {
	if f.ready != nil {
		return f.ready()
	}
	return -1, nil
}

func (f *fakeBroker) PutSink(_ context.Context, sink string, put hub.SinkPut) (hub.SinkStatus, bool, []string, error) {
	if f.putSink != nil {
		return f.putSink(sink, put)
	}
	return hub.SinkStatus{Sink: sink}, false, nil, nil
}

func (f *fakeBroker) Sinks(_ context.Context, limit int, after string, seen func(string) bool) (hub.SinkPage, error) {
	if f.sinks != nil {
		page, err := f.sinks(limit, after)
		page.Sinks = slices.DeleteFunc(page.Sinks, func(s hub.SinkStatus) bool { return !seen(s.Sink) })
		return page, err
	}
	return hub.SinkPage{}, nil
}

func (f *fakeBroker) Status(_ context.Context, sink string) (hub.SinkStatus, error) {
	if f.status != nil {
		return f.status(sink)
	}
	return hub.SinkStatus{Sink: sink}, nil
}

func (f *fakeBroker) DeleteSink(_ context.Context, sink string) error {
	if f.deleteSink != nil {
		return f.deleteSink(sink)
	}
	return nil
}

func (f *fakeBroker) Seek(_ context.Context, sink, stream string, to hub.Position) error {
	if f.seek != nil {
		return f.seek(sink, stream, to)
	}
	return nil
}

func (f *fakeBroker) Pull(ctx context.Context, spec hub.ConsumerSpec, most int, wait time.Duration) ([]hub.Event, func(), error) {
	if err := within(spec.Scope, spec.Streams); err != nil {
		return nil, nil, err
	}
	if f.pull != nil {
		return f.pull(ctx, spec, most, wait)
	}
	return nil, nil, nil
}

func (f *fakeBroker) Settle(_ context.Context, sink string, s hub.Settlement) (hub.Settled, error) {
	if f.settle != nil {
		return f.settle(sink, s)
	}
	return hub.Settled{}, nil
}

func (f *fakeBroker) Pending(_ context.Context, sink string, limit int) ([]hub.PendingEvent, error) {
	if f.pending != nil {
		return f.pending(sink, limit)
	}
	return nil, nil
}

func (f *fakeBroker) DeadLetters(_ context.Context, sink string, limit int, cursor string, _ func(stream string) bool) (hub.DeadLetterPage, error) {
	if f.deadLetters != nil {
		return f.deadLetters(sink, limit, cursor)
	}
	return hub.DeadLetterPage{}, nil
}

func (f *fakeBroker) Redrive(_ context.Context, sink string, r hub.Redrive) (hub.Redriven, error) {
	if f.redrive != nil {
		return f.redrive(sink, r)
	}
	return hub.Redriven{}, nil
}

func (f *fakeBroker) PurgeDeadLetters(_ context.Context, sink string) error {
	if f.purge != nil {
		return f.purge(sink)
	}
	return nil
}
