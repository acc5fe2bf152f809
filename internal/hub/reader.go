package hub

import "context"

// ReaderSpec is what a reader asks for when it comes.
type ReaderSpec struct {
	Streams       []string // at least one, none twice
	From          Position
	Topics, Types []string // patterns, as a sink's

	// Scope is what the reader may see of its streams; nil: everything.
	Scope Scope

	// Wake, where it is set, is called whenever Ready would get a signal, in place of
	// it. It must not block, nor call back.
	Wake func()
}

// Reader reads streams from a place of its own, without acknowledging anything.
// Take is called by one goroutine at a time; the others are safe for concurrent
// use.
type Reader interface {
	// Take returns what there is for this reader, at most limit events (0: about a
	// frame). In each stream they come in order, none twice, none left out. When
	// there is nothing, Ready gets a signal once there is. It fails with an *Error
	// once the reader has ended.
	Take(limit int) (Reading, error)

	// Ready gets a signal when Take has something to tell.
	Ready() <-chan struct{}

	// AddStream has the reader read a further stream too. ignored: it reads the
	// stream already, and stays where it is. Errors as of Broker.Read.
	AddStream(ctx context.Context, stream string, from Position) (ignored bool, err error)

	// RemoveStream ends the reading of a stream: Take tells nothing of it any more.
	RemoveStream(stream string)

	// Streams are those that it reads.
	Streams() []string

	// Pause has Take return nothing until Resume.
	Pause()
	Resume()

	// Close ends the reader. It is idempotent.
	Close()
}

// Reading is what has come for a reader.
type Reading struct {
	Gaps   []Gap // before the events
	Events []ReadEvent
	// Before and After are the reader's places before and after the events. That
	// behind one of the events is Before, moved past each up to it.
	Before, After Cursor
	// Caught says that the reader has got to where its streams ended when it came,
	// or beyond.
	Caught bool
}

// ReadEvent is an event as readers get it; they share it.
type ReadEvent struct {
	Stream string
	ID     ID
	JSON   []byte // not to be written to
}
