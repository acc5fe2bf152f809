package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// logEvery is how often one cause is logged: what fails, works and fails again while a
	// network is bad would be told several times a second.
	logEvery = time.Second
	// mostCauses bounds how many are known; beyond it everything is logged.
	mostCauses = 1000
)

// calmLog is a slog.Handler that logs each cause for a warning at most once a second, with
// how often it was not logged before. A cause is a message and the sink, stream or channel
// that it is about.
type calmLog struct {
	slog.Handler

	causes *causes
}

// causes is what was logged when. It is safe for concurrent use.
type causes struct {
	mu   sync.Mutex // protects the field below
	said map[string]*cause
}

type cause struct {
	last     time.Time
	unlogged int
}

func newCalmLog(log *slog.Logger) *slog.Logger {
	return slog.New(calmLog{log.Handler(), &causes{said: map[string]*cause{}}})
}

// Handle implements slog.Handler.
func (l calmLog) Handle(ctx context.Context, record slog.Record) error {
	if record.Level < slog.LevelWarn {
		return l.Handler.Handle(ctx, record)
	}
	key := record.Message
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "sink" || a.Key == "stream" || a.Key == "channel" {
			key += "\x00" + a.Value.String()
		}
		return true
	})
	unlogged, due := l.causes.due(key, record.Time)
	if !due {
		return nil
	}
	if unlogged > 0 {
		record.AddAttrs(slog.Int("unlogged", unlogged))
	}
	return l.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (l calmLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return calmLog{l.Handler.WithAttrs(attrs), l.causes}
}

// WithGroup implements slog.Handler.
func (l calmLog) WithGroup(name string) slog.Handler {
	return calmLog{l.Handler.WithGroup(name), l.causes}
}

// due says whether a cause is to be logged, and how often it was not since the last time.
func (c *causes) due(key string, now time.Time) (unlogged int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.said[key]
	if one == nil {
		c.forget(now)
		if len(c.said) < mostCauses {
			c.said[key] = &cause{last: now}
		}
		return 0, true
	}
	if now.Sub(one.last) < logEvery {
		one.unlogged++
		return 0, false
	}
	unlogged = one.unlogged
	*one = cause{last: now}
	return unlogged, true
}

// forget makes room, where there is none. Callers hold mu.
func (c *causes) forget(now time.Time) {
	if len(c.said) < mostCauses {
		return
	}
	for key, one := range c.said {
		if now.Sub(one.last) >= logEvery {
			delete(c.said, key)
		}
	}
}
