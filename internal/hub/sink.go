package hub

import (
	"context"
	"time"
)

// The words of a sink's settings.
const (
	AckExplicit = "explicit" // at least once
	AckNone     = "none"     // at most once: delivered, never pending

	OrderNone   = "none"
	OrderStrict = "strict" // one consumer at a time for a stream, oldest event first
)

// SinkConfig is what all hubs know of a sink. It is stored when the sink is
// first used.
type SinkConfig struct {
	Streams       []string        // every stream it is attached to, sorted
	From          string          // the start position as it was first asked for
	Topics, Types []string        // patterns, sorted; none: everything
	Ack           string          // AckExplicit or AckNone
	AckWait       time.Duration   // how long a consumer may hold an event
	MaxDeliveries int             // attempts before an event is a dead letter; 0: no limit
	Backoff       []time.Duration // before attempt 2, 3, …; the last repeats; none: at once
	Order         string          // OrderNone or OrderStrict
	ExpiresAfter  time.Duration   // unused so long, the sink is removed; 0: never
}

// SinkPut is a PUT of a sink: its settings, those left out being the defaults.
type SinkPut struct {
	Settings SinkSettings
	Streams  []string // exactly these; nil: those it has
}

// ConsumerSpec is what a consumer asks for when it comes.
type ConsumerSpec struct {
	Sink     string
	Streams  []string     // at least one, none twice
	Settings SinkSettings // what the caller said of the sink

	Prefetch   int           // most events it holds unacknowledged; 0: as Credit says
	MaxBytes   int           // of these events
	Batch      int           // events to gather before they are handed over; 0: as they come
	MaxLatency time.Duration // how long the first of them waits for the others
	Label      string        // free text that tells whose it is

	// Scope is what the consumer may see of the sink's streams; nil: everything. A new
	// sink for which no topics are named gets those that it imposes.
	Scope Scope

	// Wake, where it is set, is called whenever Ready would get a signal, in place of
	// it. It must not block, nor call back.
	Wake func()
}

// ConsumerInfo tells how a consumer was attached.
type ConsumerInfo struct {
	Config  SinkConfig
	Ignored []string // parameters that came too late to count, such as "from"
}

// Receipt is one event's part in an acknowledging call.
type Receipt struct {
	ID      ID
	Attempt int // counts only for this delivery; 0: whichever
}

// Verb is what is to become of events that were delivered.
type Verb uint8

// The verbs.
const (
	VerbAck    Verb = iota // done: never deliver them again
	VerbNack               // failed: deliver them again
	VerbExtend             // still being worked on: ack_wait starts anew
)

// Settlement applies a verb to events of one stream of a sink.
type Settlement struct {
	Verb     Verb
	Stream   string
	Receipts []Receipt // 1 to MaxAckIDs, without attempts for VerbAck
	UpTo     *ID       // VerbAck, in place of Receipts: everything pending up to it

	// Scope is what the caller may see of the sink's streams; nil: everything. A
	// Consumer goes by its own.
	Scope Scope

	// VerbNack only.
	Delay      *time.Duration // before the next delivery; nil: the sink's backoff
	Reason     string
	DeadLetter bool // there is no next delivery
}

// Settled says per id what became of a settlement.
type Settled struct {
	Done       []ID // acked, nacked or extended
	NotPending []ID // the sink does not owe them (any more)
	Stale      []ID // pending, but not held as the caller believes
}

// Delivery is what has come for a consumer, in the order to tell it.
type Delivery struct {
	Notices []*Error // that do not end the consumer
	Gaps    []Gap
	Events  []Event
}

// Consumer is one member of a sink on this hub. Take is called by one goroutine
// at a time; the others are safe for concurrent use.
type Consumer interface {
	// Info tells how the consumer was attached.
	Info() ConsumerInfo

	// Take returns what was read for this consumer; the events are recorded as
	// held by it: the caller hands them over at once. They count against Prefetch
	// and MaxBytes until they are settled or ack_wait is over. When there is
	// nothing it returns nothing, asks for some, and Ready gets a signal once it is
	// there. It fails with an *Error once the consumer has ended: CodeForbidden when the
	// sink's settings have come to show more than its scope.
	Take() (Delivery, error)

	// Ready gets a signal when Take has something to tell.
	Ready() <-chan struct{}

	// Settle acks events, whoever holds them, or nacks or extends what this
	// consumer holds; with UpTo, it acks what this consumer holds. done is called
	// once, from any goroutine, after Redis has answered; it must not block.
	// It may be nil when nobody wants to know.
	// An unknown stream is the *Error CodeStreamNotFound, one that is out of scope
	// CodeForbidden; done is not called then.
	Settle(s Settlement, done func(Settled, error)) error

	// AckEach acks events of one stream, as a call of Settle for each of them would,
	// by its answers and errors. It takes ids over. done is called like that of
	// Settle, perhaps more than once: so many more have ended, and whether they failed.
	AckEach(stream string, ids []ID, done func(n int, err error)) error

	// AddStream has the consumer read a further stream too, from a position that
	// counts if the sink does not know the stream ("": the sink's own). Adding one
	// that it reads changes nothing. Errors as of Broker.Consume.
	AddStream(ctx context.Context, stream, from string) (ConsumerInfo, error)

	// RemoveStream ends the delivery of a stream to this consumer, which keeps
	// what it holds. Removing one that it does not read changes nothing. done is
	// called once it is so; it must not block.
	RemoveStream(stream string, done func())

	// Streams are those that the consumer reads.
	Streams() []string

	// Credit allows n more events to a consumer whose Prefetch is 0. It fails with
	// an *Error where Prefetch is not 0, or the sum is too large.
	Credit(n int) error

	// Pause stops the delivery of further events until Resume. done is called
	// once it is so; it must not block.
	Pause(done func())
	Resume()

	// Held is the number of events that this consumer holds.
	Held() int

	// Stop ends the delivery of further events for good, before a close.
	Stop()

	// Close hands back what the consumer still holds, after the acks that came
	// before. It returns when Redis has them, or ctx ends (then they come back
	// after ack_wait). drain: the hub ends the connection, which costs the events
	// no attempt.
	Close(ctx context.Context, drain bool)
}

// SinkStatus is a sink with its figures, over all hubs.
type SinkStatus struct {
	Sink      string
	Config    SinkConfig
	Streams   []SinkStreamStatus
	Consumers []ConsumerStatus
}

// SinkPage is some of all sinks, by name. Their figures are left out.
type SinkPage struct {
	Sinks []SinkStatus
	Next  string // to continue from; "" at the end
}

// SinkStreamStatus is where a sink stands in one of its streams.
type SinkStreamStatus struct {
	Stream        string
	Lag           int64         // events not yet delivered to anyone
	Pending       int64         // delivered, not yet acknowledged
	OldestPending time.Duration // since the oldest of them was published
	Redelivered   int64         // deliveries beyond an event's first, ever
	DeadLetters   int64
}

// ConsumerStatus is one connected consumer, on whichever hub.
type ConsumerStatus struct {
	Sink           string    `json:"sink"`
	Consumer       string    `json:"consumer"`
	Hub            string    `json:"hub"`
	Transport      string    `json:"transport"`
	InFlight       int       `json:"in_flight"`
	ConnectedSince time.Time `json:"connected_since"`
}

// PendingEvent is an event that a sink owes.
type PendingEvent struct {
	ID       ID
	Stream   string
	Hub      string        // that holds it; "" for a pulled event and for one that waits
	Consumer string        // the connection's label, where it is on the hub that is asked
	Pulled   bool          // it is held by a worker that pulls
	Held     time.Duration // since it was handed over or extended; 0 while it waits
	Waits    bool          // nobody holds it: it is delivered again in Due
	Due      time.Duration
	Attempts int
}

// DeadLetter is an event that a sink has given up on.
type DeadLetter struct {
	Event          Event
	Reason         string
	Attempts       int
	FirstDelivered time.Time
	LastDelivered  time.Time
	LastConsumer   string
	DeadSince      time.Time
}

// DeadLetterPage is some of a sink's dead letters, oldest first in each stream.
type DeadLetterPage struct {
	DeadLetters []DeadLetter
	Next        string // cursor to continue from; "" at the end
}

// Redrive names the dead letters to deliver again.
type Redrive struct {
	Stream string // "": of all the sink's streams
	IDs    []ID   // nil: all
}

// Redriven says what became of a redrive.
type Redriven struct {
	Count    int64 // delivered again
	IDs      []ID  // which, where ids were named
	NotFound []ID
}
