package http_test

import (
	"context"
	"slices"

	"eventhub/internal/hub"
)

// fakeStreams is the part of the engine that keeps streams.
type fakeStreams struct {
	putStream    func(stream string, config hub.StreamConfig) (hub.StreamStatus, bool, error)
	streams      func(prefix string, limit int, after string) (hub.StreamPage, error)
	stream       func(stream string) (hub.StreamStatus, error)
	deleteStream func(stream string) error
	event        func(stream string, id hub.ID) (hub.Event, error)
	deleteEvent  func(stream string, id hub.ID) error
	prune        func(stream string, dry bool) (hub.Pruned, error)
}

func (f *fakeStreams) PutStream(_ context.Context, stream string, config hub.StreamConfig) (hub.StreamStatus, bool, error) {
	if f.putStream != nil {
		return f.putStream(stream, config)
	}
	return hub.StreamStatus{Stream: stream, Config: config}, true, nil
}

func (f *fakeStreams) Streams(_ context.Context, prefix string, limit int, after string, seen func(string) bool) (hub.StreamPage, error) {
	if f.streams != nil {
		page, err := f.streams(prefix, limit, after)
		page.Streams = slices.DeleteFunc(page.Streams, func(s hub.StreamStatus) bool { return !seen(s.Stream) })
		return page, err
	}
	return hub.StreamPage{}, nil
}

func (f *fakeStreams) Stream(_ context.Context, stream string) (hub.StreamStatus, error) {
	if f.stream != nil {
		return f.stream(stream)
	}
	return hub.StreamStatus{Stream: stream}, nil
}

func (f *fakeStreams) DeleteStream(_ context.Context, stream string) error {
	if f.deleteStream != nil {
		return f.deleteStream(stream)
	}
	return nil
}

func (f *fakeStreams) Event(_ context.Context, stream string, id hub.ID) (hub.Event, error) {
	if f.event != nil {
		return f.event(stream, id)
	}
	return hub.Event{ID: id.String(), Stream: stream, Time: id.Time(), Data: []byte("1")}, nil
}

func (f *fakeStreams) DeleteEvent(_ context.Context, stream string, id hub.ID) error {
	if f.deleteEvent != nil {
		return f.deleteEvent(stream, id)
	}
	return nil
}

func (f *fakeStreams) Prune(_ context.Context, stream string, dry bool) (hub.Pruned, error) {
	if f.prune != nil {
		return f.prune(stream, dry)
	}
	return hub.Pruned{}, nil
}
