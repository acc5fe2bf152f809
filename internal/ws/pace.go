package ws

import (
	"time"

	"eventhub/internal/hub"
)

// paced does a command, unless fault says what is wrong with it, or refuses it where more
// have come than the socket may send. What settles events is never refused for that: it
// waits, and what comes behind it.
func (s *session) paced(c *command, fault *hub.Error) error {
	switch {
	case s.pacer == nil:
	case c.kind == kindAck, c.kind == kindNack, c.kind == kindExtend:
		if !s.pace() {
			return nil // it comes too late
		}
	case !s.pacer.Allow():
		s.server.opts.Limited(limitCommands)
		return hub.Errorf(hub.CodeRateLimited, "it was not done: more than %d commands came in a second on this connection (HUB_COMMANDS_PER_SECOND)",
			s.server.opts.CommandsPerSecond)
	}
	if fault != nil {
		return fault
	}
	return s.command(c)
}

// pace waits until one more command may be done, for at most a second; false: the
// socket ends.
func (s *session) pace() bool {
	if s.pacer == nil {
		return true
	}
	wait := s.pacer.Reserve().Delay()
	if wait == 0 {
		return true
	}
	s.server.opts.Limited(limitCommands)
	s.settle() // before a wait
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for !s.over() {
		select {
		case <-timer.C:
			return true
		case <-s.room:
		case <-s.mute:
			return false
		}
	}
	return false
}
