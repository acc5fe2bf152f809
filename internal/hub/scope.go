package hub

import "fmt"

// Scope is what a client may see of streams, or of channels. It is safe for concurrent
// use. Where it is nil the client may see everything.
type Scope interface {
	// See says which topics may be seen of the stream or channel of that name: patterns,
	// as a sink's, of which any may match; none for all of it. The error is an *Error of
	// CodeForbidden where nothing of it may be seen.
	See(name string) (topics []string, err error)
}

// Sight is what a scope shows of a stream or channel; nil: everything. The error is an
// *Error of CodeForbidden where that is nothing.
func Sight(scope Scope, name string) (*Filter, error) {
	if scope == nil {
		return nil, nil
	}
	topics, err := scope.See(name)
	if err != nil || len(topics) == 0 {
		return nil, err
	}
	filter, err := NewFilter(topics, nil)
	if err != nil { // who imposes them should have looked; nothing is shown then
		return nil, fmt.Errorf("compiling the topics imposed on %s: %w", name, err)
	}
	return filter, nil
}
