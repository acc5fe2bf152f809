package hub

import "context"

// BroadcastSpec is what a subscriber asks for when it comes.
type BroadcastSpec struct {
	Channels      []string // none twice
	Topics, Types []string // patterns, as a sink's; of all its channels
	Slow          string   // a Slow… constant

	// Scope is what the subscriber may see of its channels; nil: everything.
	Scope Scope

	// Wake, where it is set, is called whenever Ready would get a signal, in place of
	// it. It must not block, nor call back.
	Wake func()
}

// What becomes of a subscriber to whom messages come faster than it takes them.
const (
	SlowDisconnect = "disconnect" // it ends with CodeSlowConsumer
	SlowDrop       = "drop"       // it misses the oldest of those that wait, and is told by a gap
)

// Subscription is one subscriber to broadcast channels. Take, Subscribe and
// Unsubscribe are each called by one goroutine at a time; all else is safe for
// concurrent use.
type Subscription interface {
	// Take appends messages that wait, in the order in which they came: about so many
	// bytes of events, and at least one message if there is any. When there is none,
	// Ready gets a signal once there is. It fails with an *Error once the subscription
	// has ended: CodeSlowConsumer when messages came faster than they were taken.
	Take(dst []*Message, bytes int) ([]*Message, error)

	// Ready gets a signal when Take has something to tell.
	Ready() <-chan struct{}

	// Subscribe adds channels. What is published to them after it has returned is
	// among what Take gives; those that it has already stay as they are. When it fails
	// nothing has changed. Errors: CodeForbidden for a channel that is out of scope,
	// CodeUnavailable.
	Subscribe(ctx context.Context, channels []string) error

	// Unsubscribe takes channels away, if it has them: Take gives nothing of them any
	// more.
	Unsubscribe(channels []string)

	// Channels are those that it has, in no order.
	Channels() []string

	// Close ends the subscription. It is idempotent.
	Close()
}

// Message is what comes over a channel: an event, or word that some may be missing
// there. It is shared by all subscribers and not to be written to.
type Message struct {
	Channel string
	JSON    []byte // the event's; nil where Gap is set
	Gap     *Gap
}

// ChannelStatus is a channel with its subscribers on all hubs.
type ChannelStatus struct {
	Channel     string
	Subscribers int64 // a few seconds old where they are other hubs'
}

// ChannelPage is some of all channels that have subscribers, by name.
type ChannelPage struct {
	Channels []ChannelStatus
	Next     string // to continue from; "" at the end
}
