package broker

import (
	"log/slog"
	"time"
)

// broadcastLosses logs that broadcast messages were lost, but not each time.
type broadcastLosses struct {
	log    *slog.Logger
	logged time.Time
	since  uint64 // messages that were lost since then
}

// report notes that messages of a hub to a channel are missing.
func (l *broadcastLosses) report(channel, from string, messages uint64) {
	l.since += messages
	if time.Since(l.logged) < lossLogInterval {
		return
	}
	l.log.Warn("broadcast messages were lost on their way through Redis",
		slog.Uint64("messages", l.since), slog.String("channel", channel), slog.String("from", from))
	l.logged, l.since = time.Now(), 0
}
