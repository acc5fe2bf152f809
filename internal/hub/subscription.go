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
