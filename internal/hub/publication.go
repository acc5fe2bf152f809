package hub

// Publication is what one request publishes to one stream, all or nothing.
type Publication struct {
	Stream string
	Events []Event // at least one
	// Key is the idempotency key of the request as a whole, "" for none. Each event
	// may also have its own.
	Key      string
	IfExists bool // CodeStreamNotFound instead of making the stream
	// Durability is what must be true before the publication is answered; "": the
	// server's default.
	Durability Durability
}

// Durability is how safe an event is once its publisher knows that it is stored.
type Durability string

const (
	// Fast: the primary has it. A failover may lose what its replica has not got yet.
	Fast Durability = "fast"
	// Replicated: a replica has it, too.
	Replicated Durability = "replicated"
)

// Published tells what came of a publication.
type Published struct {
	IDs      []ID  // in the order of the events
	Replayed []int // indexes of the events that had been stored before, under the same key; ascending

	Durability Durability // what is true of them; "" where it is not known
}

// Replay says whether nothing was stored, as all of it had been before.
func (p Published) Replay() bool { return len(p.Replayed) == len(p.IDs) }
