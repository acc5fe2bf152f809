package follow

import (
	"context"
	"time"
)

// interval is how often files are looked at: what is good is in use within twice that.
const interval = 2 * time.Second

// Files are one or more files that make one T. All fields but Settled are needed; they
// are called by the goroutine that runs Run.
type Files[T any] struct {
	// Load reads the files: what they make, or what is wrong with them, and their state
	// in either case.
	Load func() (T, State, error)
	// Use takes over what is new and good.
	Use func(T)
	// Refuse tells of files that have changed and are not good; what was there before
	// stays in use. It is called once per change.
	Refuse func(error)
	// Settled has what is good wait for the next look, too, and be the same then. It is
	// for files of which a part may look good while they are written.
	Settled bool

	// Owned by Run.
	good    State // the files when what is in use was read
	seen    State // the files at the last look
	refused State // the files that were complained of last; zero: they are good now
}

// Open reads the files for the first time, and does not Use what they make.
func (f *Files[T]) Open() (T, error) {
	first, state, err := f.Load()
	f.good, f.seen = state, state
	return first, err
}

// Run follows the files until ctx ends. Open is called before.
func (f *Files[T]) Run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.look()
		}
	}
}

// look takes over what is good. What is not has until the next look, as who writes two
// files one after the other is not done in between.
func (f *Files[T]) look() {
	next, state, err := f.Load()
	settled := state == f.seen
	f.seen = state
	switch {
	case state == f.good:
		f.refused = State{}
	case err == nil && (settled || !f.Settled):
		f.good, f.refused = state, State{}
		f.Use(next)
	case err != nil && settled && state != f.refused:
		f.refused = state
		f.Refuse(err)
	}
}
