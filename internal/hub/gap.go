package hub

import "strconv"

// Gap says that events may have been missed.
type Gap struct {
	Channel string // of broadcast
	Stream  string // of a sink or a reader
	Reason  string // a Gap… constant

	// Of GapTrimmed, where they are known: the first and the last of the events, and
	// how many there were.
	From, To ID
	Events   int64

	Dropped int64 // of broadcast: how many messages are missing; 0: that is not known
}

// The reasons of a gap.
const (
	GapReconnect = "redis_reconnect" // broadcast: the hub was cut off from Redis
	GapLost      = "lost"            // broadcast: messages did not come through Redis
	GapSlow      = "slow_consumer"   // broadcast: the subscriber did not keep up
	// GapReset: the group of a sink was lost and made again, and events may come
	// again; the stream of a reader was deleted and made again. With From and To, it has
	// lost what the reader had read between them, and goes on from From.
	GapReset = "reset"
	// GapTrimmed: retention has removed events before a sink or a reader had them.
	GapTrimmed = "trimmed"
)

// AppendJSON appends the gap as an object: the reason, and all else that is known.
func (g *Gap) AppendJSON(dst []byte) []byte {
	at := len(dst)
	dst = g.AppendMembers(dst)
	dst[at] = '{' // in place of the first comma
	return append(dst, '}')
}

// AppendMembers appends the members of that object to another, each behind a comma.
func (g *Gap) AppendMembers(dst []byte) []byte {
	dst = appendField(dst, "channel", g.Channel)
	dst = appendField(dst, "stream", g.Stream)
	if g.From != (ID{}) {
		dst = appendField(dst, "from", g.From.String())
	}
	if g.To != (ID{}) {
		dst = appendField(dst, "to", g.To.String())
	}
	if g.Events > 0 {
		dst = append(dst, `,"events":`...)
		dst = strconv.AppendInt(dst, g.Events, 10)
	}
	dst = appendField(dst, "reason", g.Reason)
	if g.Dropped > 0 {
		dst = append(dst, `,"dropped":`...)
		dst = strconv.AppendInt(dst, g.Dropped, 10)
	}
	return dst
}
