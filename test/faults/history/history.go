package history

import (
	"time"

	"eventhub/internal/hub"
)

// History is what happened. Times are those of one clock, since it began.
type History struct {
	Feeds      []Feed
	Publishes  []Publish
	Conns      []Conn // by their number
	Deliveries []Delivery
	Acks       []Ack
	Gaps       []Gap
	Redrives   []Redrive
	Faults     []Fault

	// What was there when all had calmed down.
	Ended   time.Duration
	Entries []Entry
	Owed    []Owed
}

// Kind is a way to receive events.
type Kind string

// The ways there are.
const (
	Sink      Kind = "sink"
	Reader    Kind = "reader"
	Broadcast Kind = "broadcast"
)

// Feed is what one or several connections receive together: a sink, one reader that
// resumes where it was, or the subscribers of some channels.
type Feed struct {
	Kind   Kind
	Name   string
	Topics []string // the streams, or channels
	Labels []string // those of the events that its filter lets through; none: there is no filter
	Strict bool     // a sink that promises order
}

// Outcome is what a publisher knows of an attempt.
type Outcome string

// The outcomes there are.
const (
	OK      Outcome = "ok"      // it is stored
	Failed  Outcome = "failed"  // it is certainly not
	Unknown Outcome = "unknown" // it may be
)

// Publish is one attempt to publish a value to a stream or channel. A value is published
// once; who repeats an attempt publishes the same value.
type Publish struct {
	Topic        string
	Channel      bool // the topic is one
	Value        string
	Label        string // what filters go by, "" for none
	Batch        string // of all that one request published, "" where that was this alone
	Digest       uint64 // of the data
	Key          string // idempotency key, "" for none
	Publisher    string
	Hub          string
	Replicated   bool // that durability was asked for
	Final        bool // published when all had calmed down, so that silence shows
	Began, Ended time.Duration
	Outcome      Outcome
	ID           hub.ID // of a confirmed event of a stream
}

// Conn is a socket of a feed, or one pull.
type Conn struct {
	Feed     string
	Hub      string
	Opened   time.Duration // once it was ready
	Ended    time.Duration // 0: it was open at the end
	Drained  bool          // it was told to go
	Asked    time.Duration // when it was asked for an answer at the end; 0: it was not
	Answered bool
}

// Delivery is an event that came over a connection.
type Delivery struct {
	At      time.Duration
	Conn    int
	Topic   string
	ID      hub.ID // zero on a channel
	Value   string
	Digest  uint64
	Attempt int // of a sink
}

// Ack is one event's acknowledgement.
type Ack struct {
	Conn      int
	Topic     string
	ID        hub.ID
	Sent      time.Duration
	Confirmed time.Duration // 0: it was never answered, or by an error
	Done      bool          // the answer was that this ack has settled it
	Refused   bool          // the answer was that it has not
	Failed    time.Duration // when the answer was an error, after which it may be done or not; 0: it was none
}

// Gap is what a connection was told to have missed.
type Gap struct {
	At       time.Duration
	Conn     int
	Topic    string
	Reason   string
	From, To hub.ID
	Events   int // 0: not told
}

// Redrive is that all dead letters of a sink were made to come again, and their attempts
// to begin anew.
type Redrive struct {
	Began time.Duration
	Sink  string
	Count int
}

// Fault is what was done to the hubs or to Redis.
type Fault struct {
	Name         string
	Began, Ended time.Duration
	Proof        string // what shows that it happened, "" when nothing does

	// Wipes: Redis forgot streams from before, and all that sinks had done with them.
	Wipes bool
	// Resets: it forgot what the groups of sinks had done, and no event.
	Resets bool
	// Forfeits: Redis may have forgotten what it confirmed from Lag before Began until
	// Ended, unless a replica had it.
	Forfeits bool
	Lag      time.Duration

	// Hub is the one that this was done to, "" for more or none. Kills: it was gone at once,
	// and its connections with it.
	Hub   string
	Kills bool

	// Topics are the streams of which Redis may have forgotten something, and Sinks those
	// whose groups it forgot when it Resets. None: all.
	Topics []string
	Sinks  []string
}

// Entry is what a stream holds at the end.
type Entry struct {
	Topic string
	ID    hub.ID
	Value string
}

// Owed is the state of a sink in a stream at the end.
type Owed struct {
	Sink, Topic string
	Delivered   hub.ID // the group has handed out everything up to it
	Pending     []hub.ID
	Dead        []hub.ID
}
