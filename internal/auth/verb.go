package auth

// Verb is something that a principal may do. Several, or-ed together, mean any of them.
type Verb uint8

// The verbs.
const (
	Publish   Verb = 1 << iota // events to streams, messages to channels
	Read                       // streams, without consuming
	Consume                    // sinks, with what they read of streams
	Subscribe                  // to channels
	Manage                     // make, change, look at and remove streams and sinks, and look at channels
)

// verbs are the names of the verbs, as permissions have them.
var verbs = []struct {
	verb Verb
	name string
}{{Publish, "publish"}, {Read, "read"}, {Consume, "consume"}, {Subscribe, "subscribe"}, {Manage, "manage"}}

// String implements fmt.Stringer.
func (v Verb) String() string {
	text := ""
	for _, one := range verbs {
		if v&one.verb == 0 {
			continue
		}
		if text != "" {
			text += " or "
		}
		text += one.name
	}
	return text
}

// Kind is what a permission is about.
type Kind uint8

// The kinds.
const (
	Stream Kind = iota
	Sink
	Channel
)

// String implements fmt.Stringer.
func (k Kind) String() string { return [...]string{"stream", "sink", "channel"}[k] }
