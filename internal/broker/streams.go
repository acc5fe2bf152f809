package broker

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"eventhub/internal/hub"
)

// PutStream makes a stream or changes its settings; they count on all hubs within
// 2 s.
//
// Errors: CodeUnavailable, CodeUnconfirmed, CodeStorageFull.
func (b *Broker) PutStream(ctx context.Context, stream string, config hub.StreamConfig) (status hub.StreamStatus, created bool, err error) {
	const doing = "storing the stream's settings"
	cmd := putScript.call(b.keys.stream(stream), configArgs(config)...)
	if err := b.work(ctx, b.keys.log(stream), cmd); err != nil {
		return status, false, failure(err, doing)
	}
	made, err := cmd.Int()
	if err != nil {
		return status, false, failure(err, doing)
	}
	b.enlist(stream)
	b.streamChanged(ctx, stream)
	status, err = b.Stream(ctx, stream)
	return status, made == 1, err
}

// Stream tells of a stream and of its sinks.
//
// Errors: CodeStreamNotFound, CodeUnavailable.
func (b *Broker) Stream(ctx context.Context, stream string) (hub.StreamStatus, error) {
	info, err := b.look(ctx, stream)
	if err != nil {
		return hub.StreamStatus{}, err
	}
	if info.born == "" {
		return hub.StreamStatus{}, noSuchStream(stream)
	}
	status := b.statusOf(ctx, stream, info)
	slices.Sort(info.sinks)
	for _, sink := range info.sinks {
		figures, err := b.exactFigures(ctx, sink, stream)
		if err != nil {
			return status, err
		}
		status.Sinks = append(status.Sinks, hub.StreamSinkStatus{Sink: sink, Lag: figures.Lag, Pending: figures.Pending})
	}
	return status, nil
}

func (b *Broker) statusOf(ctx context.Context, stream string, info streamInfo) hub.StreamStatus {
	status := hub.StreamStatus{Stream: stream, Config: info.config, Events: info.length, First: info.first, Last: info.last}
	usage := command("memory", "usage", b.keys.log(stream), "samples", 5)
	if b.work(ctx, b.keys.log(stream), usage) == nil { // the embedded one does not tell
		status.Bytes, _ = usage.Int64()
	}
	return status
}

// Streams lists streams whose names begin with prefix, by name, at most limit,
// after a name, of those that are seen.
func (b *Broker) Streams(ctx context.Context, prefix string, limit int, after string, seen func(string) bool) (hub.StreamPage, error) {
	var page hub.StreamPage
	cmd := command("smembers", b.keys.streams())
	if err := b.work(ctx, b.keys.streams(), cmd); err != nil {
		return page, readFailure(err, "listing the streams")
	}
	names, err := cmd.StringSlice()
	if err != nil {
		return page, readFailure(err, "listing the streams")
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(name string) bool { return name <= after || !strings.HasPrefix(name, prefix) || !seen(name) })
	for len(names) > 0 {
		// Some of them may be gone, by their ttl.
		some := names[:min(len(names), limit-len(page.Streams)+1, listedAtOnce)]
		names = names[len(some):]
		statuses := make([]hub.StreamStatus, len(some))
		var looking errgroup.Group
		for i, name := range some {
			looking.Go(func() error {
				info, err := b.look(ctx, name)
				if err == nil && info.born != "" {
					statuses[i] = b.statusOf(ctx, name, info)
				}
				return err
			})
		}
		if err := looking.Wait(); err != nil {
			return page, err
		}
		for _, status := range statuses {
			if status.Stream == "" {
				continue
			}
			if len(page.Streams) == limit {
				page.Next = page.Streams[limit-1].Stream
				return page, nil
			}
			page.Streams = append(page.Streams, status)
		}
	}
	return page, nil
}

// listedAtOnce is how many streams are looked at together for a list: they share
// pipelines.
const listedAtOnce = 100

// DeleteStream removes a stream with all that belongs to it. Deleting one that
// does not exist changes nothing.
func (b *Broker) DeleteStream(ctx context.Context, stream string) error {
	const doing = "deleting the stream"
	cmd := dropScript.call(b.keys.stream(stream), b.streamArgs(stream)...)
	if err := b.work(ctx, b.keys.log(stream), cmd); err != nil {
		return failure(err, doing)
	}
	sinks, err := cmd.StringSlice()
	if err != nil {
		return failure(err, doing)
	}
	_ = b.work(ctx, b.keys.streams(), command("srem", b.keys.streams(), stream)) // else the housekeeping does
	b.streamChanged(ctx, stream)
	for _, name := range sinks {
		b.resetAll(name, stream)
	}
	b.published(stream, hub.ID{}) // who reads it sees that it is gone
	return nil
}

// Event reads one event of a stream.
//
// Errors: CodeStreamNotFound, CodeEventNotFound, CodeUnavailable.
func (b *Broker) Event(ctx context.Context, stream string, id hub.ID) (hub.Event, error) {
	const doing = "reading the event"
	key, text := b.keys.log(stream), id.String()
	cmd := command("xrange", key, text, text)
	if err := b.work(ctx, key, cmd); err != nil {
		return hub.Event{}, readFailure(err, doing)
	}
	entries, err := cmd.Slice()
	if err != nil {
		return hub.Event{}, readFailure(err, doing)
	}
	if len(entries) > 0 {
		if d, ok := decodeEntry(stream, entries[0]); ok {
			return d.event, nil
		}
	}
	info, err := b.look(ctx, stream)
	if err != nil {
		return hub.Event{}, err
	}
	if info.born == "" {
		return hub.Event{}, noSuchStream(stream)
	}
	return hub.Event{}, hub.NoEvent(stream, id)
}

// DeleteEvent removes one event from a stream, also where sinks keep it for
// another delivery. Deleting one that does not exist changes nothing.
func (b *Broker) DeleteEvent(ctx context.Context, stream string, id hub.ID) error {
	cmd := deleteEventScript.call(b.keys.stream(stream), b.streamArgs(stream, id.String())...)
	if err := b.work(ctx, b.keys.log(stream), cmd); err != nil {
		return failure(err, "deleting the event")
	}
	b.readers.deleted(stream, id)
	sinks, _ := cmd.StringSlice()
	for _, sink := range sinks { // what was behind it may be next
		b.announce(sink, stream)
	}
	b.tell(bellDeleted, stream, id.String())
	return nil
}
