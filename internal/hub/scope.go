package hub

// Scope is what a client may see of streams, or of channels. It is safe for concurrent
// use. Where it is nil the client may see everything.
type Scope interface {
	// See says which topics may be seen of the stream or channel of that name: patterns,
	// as a sink's, of which any may match; none for all of it. The error is an *Error of
	// CodeForbidden where nothing of it may be seen.
	See(name string) (topics []string, err error)
}
