package ws

import (
	"context"

	"eventhub/internal/hub"
)

const (
	// maxUnderway bounds the commands of a socket that Redis has not answered, by
	// weight: commandWeight each, and one per id or per weighedBytes of events.
	// Beyond, its next is not read.
	maxUnderway   = 64 * commandWeight
	commandWeight = 256
	weighedBytes  = 512
)

// begin waits until a command of so much weight on top may be under way; answered
// ends it. Redis or its time limit answers every command, so the wait ends.
func (s *session) begin(c *command, weight int) {
	c.fields = nil // the frame may go
	c.weight = int64(min(commandWeight+weight, maxUnderway))
	_ = s.underway.Acquire(context.Background(), c.weight) // fails with its context only
	s.commands.Add(1)
}

func (s *session) answered(c *command) {
	s.underway.Release(c.weight)
	s.commands.Add(-1)
	s.stir() // what the client holds has changed
}

// answer is what a command's end leads to: nothing when it worked and has no
// ref. fields may be nil.
func (s *session) answer(c *command, err error, fields func(dst []byte) []byte) {
	switch {
	case err != nil:
		s.reply(errorFrame(c.ref, hub.AsError(err)))
	case c.ref != nil:
		ok := appendRef([]byte(`{"type":"ok"`), c.ref)
		if fields != nil {
			ok = fields(ok)
		}
		s.reply(append(ok, '}'))
	}
	s.answered(c)
}

// refused ends a command that the engine did not take.
func (s *session) refused(c *command, err error) error {
	if err != nil {
		s.answered(c)
	}
	return err
}
