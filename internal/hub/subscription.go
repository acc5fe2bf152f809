package hub

// Subscription is one subscriber to broadcast channels.
type Subscription interface {
	// Take returns the messages that wait, oldest first, if any. It fails with an
	// *Error once the subscription has ended: CodeSlowConsumer when messages came
	// faster than they were taken.
	Take() (Messages, error)

	// Ready gets a signal when Take has something to tell.
	Ready() <-chan struct{}

	// Close ends the subscription. It is idempotent.
	Close()
}

// Messages is what has come for a subscriber.
type Messages struct {
	Gaps   []Gap    // before the events
	Events [][]byte // each the JSON of one event; shared, do not write to them
}

// Gap says that events may have been missed.
type Gap struct {
	Channel string // of broadcast
	Stream  string // of a sink or a reader
	Reason  string // a Gap… constant

	// Of GapTrimmed, where they are known: the first and the last of the events, and
	// how many there were.
	From, To ID
	Events   int64
}

// The reasons of a gap.
const (
	GapReconnect = "redis_reconnect" // broadcast: the hub was cut off from Redis
	// GapReset: the group of a sink was lost and made again, and events may come
	// again; the stream of a reader was deleted and made again.
	GapReset = "reset"
	// GapTrimmed: retention has removed events before a sink or a reader had them.
	GapTrimmed = "trimmed"
)
