package hub

import (
	"context"
	"strings"
	"time"
)

// SinkConfig is what all hubs know of a sink. It is stored when the sink is
// first used.
type SinkConfig struct {
	Streams []string      // every stream it is attached to, sorted
	From    string        // the start position as it was first asked for
	AckWait time.Duration // how long a consumer may hold an event
}

// ConsumerSpec is what a consumer asks for when it comes.
type ConsumerSpec struct {
	Sink     string
	Streams  []string      // at least one, none twice
	From     string        // a Position's text; "" where the caller did not say
	AckWait  time.Duration // 0 where the caller did not say
	Prefetch int           // most events it holds unacknowledged
	Label    string        // free text that tells whose it is
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

// AckResult says per id what became of an acknowledging call.
type AckResult struct {
	Done       []ID // acked or nacked
	NotPending []ID // the sink does not owe them (any more)
	Stale      []ID // pending, but not held as the caller believes
}

// Consumer is one member of a sink on this hub. Take is called by one goroutine
// at a time; the others are safe for concurrent use.
type Consumer interface {
	// Info tells how the consumer was attached.
	Info() ConsumerInfo

	// Take returns the events that were read for this consumer, each recorded as
	// held by it: the caller hands them over at once. They count against Prefetch
	// until they are acked, nacked or ack_wait is over. When there are none it
	// returns none, asks for some, and Ready gets a signal once they are there.
	// It fails with an *Error once the consumer is closed.
	Take() ([]Event, error)

	// Ready gets a signal when Take has something to tell.
	Ready() <-chan struct{}

	// Ack acknowledges events of a stream, whoever holds them. done is called
	// once, from any goroutine, after Redis has answered; it must not block.
	// It may be nil when nobody wants to know.
	// An unknown stream is the *Error CodeStreamNotFound, done is not called then.
	Ack(stream string, ids []ID, done func(AckResult, error)) error

	// Nack gives events that this consumer holds back, to be delivered again
	// after delay. done as for Ack.
	Nack(stream string, receipts []Receipt, delay time.Duration, done func(AckResult, error)) error

	// Held is the number of events that this consumer holds.
	Held() int

	// Pause ends the delivery of further events for good, before a close.
	Pause()

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

// SinkStreamStatus is where a sink stands in one of its streams.
type SinkStreamStatus struct {
	Stream        string
	Lag           int64         // events not yet delivered to anyone
	Pending       int64         // delivered, not yet acknowledged
	OldestPending time.Duration // since the oldest of them was published
	Redelivered   int64         // deliveries beyond an event's first, ever
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

// FormatDuration writes a duration as briefly as ParseDuration reads it: "30s",
// "1h30m", "720h".
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
