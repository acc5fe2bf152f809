package hub

// Publication is what one request publishes to one stream, all or nothing.
type Publication struct {
	Stream string
	Events []Event // at least one
	// Key is the idempotency key of the request as a whole, "" for none. Each event
	// may also have its own.
	Key      string
	IfExists bool // CodeStreamNotFound instead of making the stream
}

// Published tells what came of a publication.
type Published struct {
	IDs      []ID  // in the order of the events
	Replayed []int // indexes of the events that had been stored before, under the same key; ascending
}

// Replay says whether nothing was stored, as all of it had been before.
func (p Published) Replay() bool { return len(p.Replayed) == len(p.IDs) }
