package http

import (
	"context"
	"time"

	"eventhub/internal/hub"
)

// Broker is what the REST edge needs of the engine. All of it is safe for
// concurrent use, and errors are *hub.Error where a client may read them.
type Broker interface {
	Publisher
	Streams
	Readers
	Channels
	Sinks
	Worker
	DeadLetters
	Tickets
	// Ready says why the hub can't publish and deliver right now, or nil. probeAge is
	// how long ago the last probe of the live path came back; negative before the first.
	Ready(ctx context.Context) (probeAge time.Duration, err error)
}

// Publisher takes events in.
type Publisher interface {
	// Publish stores events, all or none, and returns once they are durable. An
	// event whose idempotency key is known, with the same content, is not stored
	// again.
	//
	// Errors: CodeStreamNotFound, CodeConflict for a key with other content,
	// CodeStreamFull, CodeStorageFull, CodeUnavailable, CodeUnconfirmed.
	Publish(ctx context.Context, p hub.Publication) (hub.Published, error)
	// Broadcast passes events on to live subscribers, in order.
	Broadcast(ctx context.Context, channel string, events []hub.Event) ([]string, error)
}

// Streams makes streams, tells of them and of their events. Where a stream must
// be there and is not, the error has CodeStreamNotFound.
type Streams interface {
	// PutStream makes a stream or changes its settings.
	PutStream(ctx context.Context, stream string, config hub.StreamConfig) (status hub.StreamStatus, created bool, err error)
	// Streams lists streams whose name begins with prefix, by name, at most limit of
	// those that come after a name and that seen lets pass.
	Streams(ctx context.Context, prefix string, limit int, after string, seen func(string) bool) (hub.StreamPage, error)
	// Stream tells of one.
	Stream(ctx context.Context, stream string) (hub.StreamStatus, error)
	// DeleteStream removes a stream with all that belongs to it. One that is not
	// there is no error.
	DeleteStream(ctx context.Context, stream string) error
	// Event reads one event; CodeEventNotFound where there is none.
	Event(ctx context.Context, stream string, id hub.ID) (hub.Event, error)
	// DeleteEvent removes one event. One that is not there is no error.
	DeleteEvent(ctx context.Context, stream string, id hub.ID) error
	// Prune removes at once what the stream's retention allows; dry: it only says
	// what that would be.
	Prune(ctx context.Context, stream string, dry bool) (hub.Pruned, error)
}

// Readers reads streams without consuming them.
type Readers interface {
	// Read opens a reader. What is published after it has returned is among what it
	// gives. The caller closes it. Errors: CodeInvalidRequest for a cursor of other
	// streams, CodeStreamNotFound where streams must be made first, CodeUnavailable.
	Read(ctx context.Context, spec hub.ReaderSpec) (hub.Reader, error)
	// Subscribe subscribes to broadcast channels. What is published after it has
	// returned is delivered. The caller closes the subscription.
	Subscribe(ctx context.Context, spec hub.BroadcastSpec) (hub.Subscription, error)
}

// Channels tells who listens to broadcast channels, on all hubs: right within 5 s.
// Errors: CodeUnavailable.
type Channels interface {
	// Channels lists channels that have subscribers and whose name begins with prefix,
	// by name, at most limit of those that come after a name and that seen lets pass.
	Channels(ctx context.Context, prefix string, limit int, after string, seen func(string) bool) (hub.ChannelPage, error)
	// Channel tells of one, whether it has subscribers or not.
	Channel(ctx context.Context, channel string) (hub.ChannelStatus, error)
}

// Sinks makes sinks and tells of them. Where a sink must be there and is not, the
// error has CodeSinkNotFound.
type Sinks interface {
	// PutSink makes a sink or changes it. ignored names the settings that came too
	// late to count.
	PutSink(ctx context.Context, sink string, put hub.SinkPut) (status hub.SinkStatus, created bool, ignored []string, err error)
	// Sinks lists sinks by name, at most limit of those that come after a name and that
	// seen lets pass.
	Sinks(ctx context.Context, limit int, after string, seen func(string) bool) (hub.SinkPage, error)
	// Status tells where a sink stands.
	Status(ctx context.Context, sink string) (hub.SinkStatus, error)
	// DeleteSink removes a sink. One that is not there is no error.
	DeleteSink(ctx context.Context, sink string) error
	// Seek moves a sink in one of its streams; what it owed there is dropped.
	Seek(ctx context.Context, sink, stream string, to hub.Position) error
}

// Worker delivers a sink's events to who asks for them, and hears what became of
// them.
type Worker interface {
	// Pull leases at most so many events to the caller, and waits for the first.
	// When ctx ends it returns at once. Who cannot hand the events over calls
	// giveBack, which costs them no attempt.
	Pull(ctx context.Context, spec hub.ConsumerSpec, most int, wait time.Duration) (events []hub.Event, giveBack func(), err error)
	// Settle acks, nacks or extends events, whoever holds them.
	Settle(ctx context.Context, sink string, s hub.Settlement) (hub.Settled, error)
	// Pending lists what a sink owes, oldest first in each stream.
	Pending(ctx context.Context, sink string, limit int) ([]hub.PendingEvent, error)
}

// DeadLetters is what sinks have given up on.
type DeadLetters interface {
	// DeadLetters lists them, the events without an attempt, of the streams that seen
	// lets pass. A page may be shorter than limit though it is not the last.
	DeadLetters(ctx context.Context, sink string, limit int, cursor string, seen func(stream string) bool) (hub.DeadLetterPage, error)
	// Redrive has them delivered to this sink again.
	Redrive(ctx context.Context, sink string, r hub.Redrive) (hub.Redriven, error)
	// PurgeDeadLetters drops them all.
	PurgeDeadLetters(ctx context.Context, sink string) error
}
