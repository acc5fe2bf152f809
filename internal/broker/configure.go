package broker

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// configure has the sink go by these settings, if they are newer than its own.
func (s *sink) configure(next settings) {
	switch {
	case next.deleted:
		s.end()
		return
	case !next.known || next.version <= s.version:
		return
	}
	other := s.born != "" && s.born != next.born // it was deleted and made again meanwhile
	s.adopt(next)
	for _, st := range s.streams {
		if other {
			s.reset(st)
		}
		if !slices.Contains(s.config.Streams, st.name) {
			s.detach(st)
			continue
		}
		st.unread = true
		st.lookAt(st.notBefore)
	}
	for _, c := range s.consumers {
		s.grant(c)
		s.confine(c)
	}
}

func (s *sink) adopt(next settings) {
	filter, err := hub.NewFilter(next.config.Topics, next.config.Types)
	if err != nil { // stored by something else than a hub
		s.broker.log.Error("a sink's patterns cannot be read, so it gets everything", slog.String("sink", s.name), slog.Any("error", err))
	}
	s.config, s.version, s.born = next.config, next.version, next.born
	s.filter, s.delays, s.gone = filter, delaysOf(next.config.Backoff), false
	s.known.Store(&next.config)
}

// confine ends a consumer that may not see all that the sink shows now.
func (s *sink) confine(c *consumer) {
	if err := c.confined.check(s.name, s.config.Topics); err != nil {
		c.fail(err)
	}
}

// grant tells a consumer how long its events may wait to be taken.
func (s *sink) grant(c *consumer) {
	grace := s.grace()
	if c.pull || s.noAck() {
		grace = 0
	}
	c.grace.Store(int64(grace))
}

// end: the sink was deleted.
func (s *sink) end() {
	s.gone = true
	for _, st := range s.streams {
		s.forgetAll(st)
	}
	for _, c := range s.consumers {
		c.fail(hub.Errorf(hub.CodeSinkNotFound, "the sink %q was deleted", s.name))
	}
}

// detach: the stream was taken from the sink, and what was held of it with it.
func (s *sink) detach(st *sinkStream) {
	notice := hub.Errorf(hub.CodeStreamNotFound, "the stream %q was taken from the sink %q", st.name, s.name)
	st.acking = false
	s.flush(st, plan{}) // acks that wait are answered, whatever of them Redis knows
	s.forgetAll(st)
	for c := range st.attachments {
		delete(c.attachments, st.name)
		c.mu.Lock()
		c.streams = slices.DeleteFunc(slices.Clone(c.streams), func(name string) bool { return name == st.name })
		last := len(c.streams) == 0
		c.mu.Unlock()
		if last {
			c.fail(notice)
		} else {
			c.tell(notice, nil)
		}
	}
	clear(st.attachments)
	s.broker.unwatch(st)
	delete(s.streams, st.name)
}

// forgetAll ends all that is held of a stream here, as its group is not the one
// that it was.
func (s *sink) forgetAll(st *sinkStream) {
	for c, a := range st.attachments {
		for id := range a.leases {
			a.end(id)
		}
		s.unqueue(c, func(e eventName) bool { return e.stream == st.name })
		c.ready.give()
	}
	st.turn, st.doubted = turn{}, nil
}

// touch tells Redis that the sink is in use, so that it does not expire.
func (s *sink) touch(now time.Time) {
	if len(s.consumers) == 0 || s.gone || s.config.ExpiresAfter == 0 || now.Before(s.touchAt) {
		return
	}
	s.touchAt = now.Add(s.touchEvery())
	key := s.broker.keys.sink(s.name)
	_ = s.broker.working.submit(context.Background(), key, &op{cmds: []redis.Cmder{touchScript.call([]string{key})}})
}

func (s *sink) touchEvery() time.Duration {
	return min(max(s.config.ExpiresAfter/4, 250*time.Millisecond), time.Hour)
}
