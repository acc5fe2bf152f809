package hub

import "time"

// The words of a stream's settings.
const (
	OnFullDropOldest = "drop_oldest" // the oldest events go, and who has not read them is told
	OnFullReject     = "reject"      // publishing fails with CodeStreamFull
)

// StreamConfig is how a stream keeps its events.
type StreamConfig struct {
	MaxEvents int64         // a hard bound; 0: none
	MaxAge    time.Duration // older events go once no sink owes them; 0: never
	OnFull    string        // an OnFull… constant
	TTL       time.Duration // after which the stream ends, with all its events; 0: never
	Sliding   bool          // TTL counts from the last publish, not from the start
}

// DefaultStreamConfig is that of a stream for which nobody has said anything.
func DefaultStreamConfig() StreamConfig {
	return StreamConfig{MaxEvents: 1_000_000, MaxAge: 168 * time.Hour, OnFull: OnFullDropOldest}
}

// StreamStatus is a stream with its figures.
type StreamStatus struct {
	Stream string
	Config StreamConfig
	Events int64
	First  ID    // of the oldest event; zero where there is none
	Last   ID    // the last that was ever given; zero where there was none
	Bytes  int64 // that Redis takes for it, about
	Sinks  []StreamSinkStatus
}

// StreamSinkStatus is where a sink stands in the stream.
type StreamSinkStatus struct {
	Sink         string
	Lag, Pending int64 // not yet delivered; delivered and not acknowledged
}

// StreamPage is some of all streams, by name. Their sinks are left out.
type StreamPage struct {
	Streams []StreamStatus
	Next    string // to continue from; "" at the end
}

// Pruned is what a look at a stream's retention has removed, or would remove.
type Pruned struct {
	Events int64
	// Last is the last of them; zero where there is none.
	Last ID
	// Owed names the sinks that still owe events which are over max_age, and so
	// keep them.
	Owed []string
}
