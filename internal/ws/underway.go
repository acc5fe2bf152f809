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
	c.weight = weighs(weight)
	_ = s.underway.Acquire(context.Background(), c.weight) // fails with its context only
	s.commands.Add(1)
}

// tryBegin is begin for a command that answerAll will end, unless it had to wait.
func (s *session) tryBegin(weight int) bool {
	if !s.underway.TryAcquire(weighs(weight)) {
		return false
	}
	s.commands.Add(1)
	return true
}

func weighs(weight int) int64 { return int64(min(commandWeight+weight, maxUnderway)) }

func (s *session) answered(c *command) { s.ended(1, c.weight) }

// ended takes commands off the books, with their weight in all.
func (s *session) ended(n int, weight int64) {
	s.underway.Release(weight)
	s.commands.Add(-int32(n))
	s.stir() // what the client holds has changed
}

// answerAll is answer for so many commands without a ref, of one event each.
func (s *session) answerAll(n int, err error) {
	if err != nil {
		for range n {
			s.reply(errorFrame(nil, hub.AsError(err)))
		}
	}
	s.ended(n, int64(n)*weighs(1))
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
