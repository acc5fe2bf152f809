package broker

import (
	"context"
	"log/slog"

	"eventhub/internal/calm"
)

// calmLog is a slog.Handler that logs each cause for a warning at most once a second, with
// how often it was not logged before. A cause is a message and the sink, stream or channel
// that it is about.
type calmLog struct {
	slog.Handler

	causes *calm.Causes[string]
}

func newCalmLog(log *slog.Logger) *slog.Logger {
	return slog.New(calmLog{log.Handler(), &calm.Causes[string]{}})
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
	unlogged, due := l.causes.Due(key)
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
