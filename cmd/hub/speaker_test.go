package main

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"
)

// speaker publishes numbered messages to channels by way of one hub, one after
// another.
type speaker struct {
	name string // the key of its messages
	s    *socket

	mu    sync.Mutex     // protects the field below
	begun map[string]int // messages of which the publishing has begun, by channel
}

func (h *testHub) speaker(name string) *speaker {
	h.t.Helper()
	return &speaker{name: name, s: h.dial("/v1/broadcast/ws?channel=speakers"), begun: map[string]int{}}
}

// say publishes the next message to a channel, and returns once that is answered.
func (s *speaker) say(channel string) {
	s.s.t.Helper()
	s.mu.Lock()
	n := s.begun[channel]
	s.begun[channel]++
	s.mu.Unlock()
	s.s.ok(`{"type":"publish","channel":%q,"events":[{"key":%q,"data":%d}]}`, channel, s.name, n)
}

// next is the number of the first message to a channel that is yet to be begun.
func (s *speaker) next(channel string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun[channel]
}

// flow has the speaker go through these channels again and again, with a pause after
// each, until stop is called. Stop is idempotent.
func (s *speaker) flow(t *testing.T, pause time.Duration, channels ...string) (stop func()) {
	var speaking sync.WaitGroup
	enough := make(chan struct{})
	speaking.Go(func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-enough:
				return
			case <-ticker.C:
				s.say(channels[i%len(channels)])
			}
		}
	})
	stop = sync.OnceFunc(func() {
		close(enough)
		speaking.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// ledger holds what one subscriber hears to what is promised: of each speaker on each
// channel, from the answer to subscribe to that to unsubscribe, every message once and
// in order.
type ledger struct {
	t        *testing.T
	speakers []*speaker
	open     map[string]bool // by channel
	due      map[place]int   // what comes next
	latest   map[place]int   // where nothing has come yet: what comes first is at most this
	count    int             // of messages
}

// place is where messages are numbered.
type place struct{ speaker, channel string }

func newLedger(t *testing.T, speakers ...*speaker) *ledger {
	return &ledger{t: t, speakers: speakers, open: map[string]bool{}, due: map[place]int{}, latest: map[place]int{}}
}

// may says that the channels are being subscribed to.
func (l *ledger) may(channels ...string) {
	for _, channel := range channels {
		l.open[channel] = true
	}
}

// must says that they are.
func (l *ledger) must(channels ...string) {
	l.may(channels...)
	for _, channel := range channels {
		for _, s := range l.speakers {
			if _, known := l.latest[place{s.name, channel}]; !known {
				l.latest[place{s.name, channel}] = s.next(channel)
			}
		}
	}
}

// not says that the channels have been unsubscribed.
func (l *ledger) not(channels ...string) {
	for _, channel := range channels {
		delete(l.open, channel)
		for _, s := range l.speakers {
			delete(l.due, place{s.name, channel})
			delete(l.latest, place{s.name, channel})
		}
	}
}

// note enters what was heard. Gaps and all else are wrong.
func (l *ledger) note(list ...heard) {
	l.t.Helper()
	for _, x := range list {
		if x.kind != "event" {
			l.t.Errorf("a subscriber was told: %v", x)
			continue
		}
		n, err := strconv.Atoi(string(x.event.Data))
		p := place{x.event.Key, x.event.Channel}
		due, known := l.due[p]
		switch latest, limited := l.latest[p]; {
		case err != nil || !l.open[p.channel]:
			l.t.Errorf("%v came, of a channel that is not subscribed to", x)
		case known && n != due:
			l.t.Errorf("%+v: %d came, want %d", p, n, due)
		case !known && limited && n > latest:
			l.t.Errorf("%+v: %d came first, though the subscription was answered before %d was published", p, n, latest)
		}
		l.due[p] = n + 1
		l.count++
	}
}

// lacks says what is yet to come of all that the speakers have published, if
// anything.
func (l *ledger) lacks() string {
	for channel := range l.open {
		for _, s := range l.speakers {
			p := place{s.name, channel}
			due, known := l.due[p]
			if !known {
				due = l.latest[p]
			}
			if next := s.next(channel); due < next {
				return fmt.Sprintf("%+v: %d to %d did not come", p, due, next-1)
			}
		}
	}
	return ""
}

// rest has the subscriber hear all that the speakers have published.
func (l *ledger) rest(from *listener) {
	l.t.Helper()
	for l.lacks() != "" {
		select {
		case x, open := <-from.told:
			if !open {
				l.t.Fatalf("the subscriber was cut off: %v; %s", from.ended, l.lacks())
			}
			l.note(x)
		case <-time.After(patience):
			l.t.Fatal(l.lacks())
		}
	}
}
