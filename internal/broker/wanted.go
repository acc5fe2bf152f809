package broker

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// subscription is one Redis channel.
type subscription struct {
	wanted    bool
	sent      bool             // SUBSCRIBE is the last the connection was told of it
	expected  int              // confirmations to come
	confirmed chan struct{}    // closed once Redis has confirmed it
	open      bool             // confirmed is not closed
	heard     func(again bool) // called when Redis has confirmed it; must not block
	before    bool             // was confirmed earlier, and has been wanted since
}

// subscribe wants a channel from now on. The channel returned is closed once
// Redis has confirmed it: what is published later is heard. So is called then, by
// run, with false, and with true whenever it was deaf for a while and hears again.
func (l *live) subscribe(channel string, so func(again bool)) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.channels[channel]
	if s == nil {
		s = &subscription{}
		l.channels[channel] = s
	}
	s.wanted, s.heard = true, so
	if !s.sent {
		s.reopen()
	}
	l.dirty[channel] = struct{}{}
	wake(l.changed)
	return s.confirmed
}

// reopen: what comes is to be waited for.
func (s *subscription) reopen() {
	if !s.open {
		s.confirmed, s.open = make(chan struct{}), true
	}
}

func (l *live) unsubscribe(channel string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.channels[channel]; s != nil {
		s.wanted = false
		l.dirty[channel] = struct{}{}
		wake(l.changed)
	}
}

// piece bounds the channels of one command. Redis holds its confirmations back until
// they are complete, and ends a connection that has 32 MiB to take; for the next piece
// the last must have been confirmed.
const piece = 1000

func (l *live) changes() (conn *redis.PubSub, on, off []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil || l.awaited > 0 {
		return l.conn, nil, nil // dial, or the last confirmation, wakes the writer
	}
	take := func(channel string) {
		delete(l.dirty, channel)
		switch s := l.channels[channel]; {
		case s == nil:
		case s.wanted && !s.sent:
			s.sent = true
			s.expected++
			on = append(on, channel)
		case !s.wanted && s.sent:
			s.sent, s.before = false, false
			off = append(off, channel)
			l.drop(channel, s)
		case !s.wanted:
			l.drop(channel, s)
		}
	}
	for _, channel := range l.urgent {
		if _, ok := l.dirty[channel]; ok {
			take(channel)
		}
	}
	for channel := range l.dirty {
		if len(on)+len(off) >= piece {
			break
		}
		take(channel)
	}
	l.awaited, l.asked = len(on), time.Now()
	if len(l.dirty) > 0 && l.awaited == 0 {
		wake(l.changed)
	}
	return l.conn, on, off
}

// drop forgets a channel that nobody wants and nothing is expected of.
func (l *live) drop(channel string, s *subscription) {
	if !s.wanted && !s.sent && s.expected == 0 {
		delete(l.channels, channel)
	}
}

var errResubscribed = errors.New("the connection was replaced without a word")

// confirm hears that Redis has taken a subscription. A confirmation that nobody
// waits for means that go-redis has reconnected by itself, and messages were missed.
func (l *live) confirm(channel string) error {
	l.mu.Lock()
	s := l.channels[channel]
	if s == nil || s.expected == 0 {
		l.mu.Unlock()
		return errResubscribed
	}
	if l.awaited--; l.awaited == 0 && len(l.dirty) > 0 {
		wake(l.changed)
	}
	if s.expected--; s.expected > 0 {
		l.mu.Unlock()
		return nil
	}
	if s.open && s.sent {
		s.open = false
		close(s.confirmed)
	}
	heard, again := s.heard, s.before
	s.before = true // also where nobody is there now: who comes before it is given up hears at once
	if !s.wanted {
		l.drop(channel, s)
		l.mu.Unlock()
		return nil
	}
	l.mu.Unlock()
	heard(again)
	return nil
}
