package ws

import (
	"sync/atomic"
	"time"

	"eventhub/internal/hub"
)

// maxDue bounds a due: no connection holds more events (prefetch).
const maxDue = 10_000

// due is how many events were delivered to a socket for which no command has settled one
// yet. A client cannot have more to settle, so what they bring about costs no more than
// the deliveries did; were they to wait, they would be delivered again meanwhile. It is
// safe for concurrent use.
type due struct{ events atomic.Int64 }

// add is for events that are about to be written.
func (d *due) add(events int) {
	for {
		was := d.events.Load()
		if d.events.CompareAndSwap(was, min(was+int64(events), maxDue)) {
			return
		}
	}
}

// take is for a command that settles; false: none was due.
func (d *due) take() bool {
	for {
		was := d.events.Load()
		if was == 0 || d.events.CompareAndSwap(was, was-1) {
			return was > 0
		}
	}
}

// paced does a command, unless fault says what is wrong with it, or refuses it where more
// have come than the socket may send. What settles events is never refused for that: there may be
// one for each event that was delivered, and beyond those it waits, and what comes
// behind it.
func (s *session) paced(c *command, fault *hub.Error) error {
	switch {
	case s.pacer == nil:
	case (c.kind == kindAck || c.kind == kindNack) && s.due.take():
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
