package broker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Housekeeping looks at sinks that nobody may be connected to: it ends leases
// there that are over, and removes sinks that have not been used for
// expires_after. One hub does it for all, the first of those alive by name; two
// that both believe to be do no harm.
const (
	keepInterval = time.Second
	keepSinks    = 5 // looked at in one interval
)

func (b *Broker) keep(ctx context.Context) {
	ticker := time.NewTicker(keepInterval)
	defer ticker.Stop()
	var sinks []string // still to look at in this round
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !b.keeps() {
			sinks = nil
			continue
		}
		if len(sinks) == 0 {
			cmd := command("smembers", b.keys.sinks())
			if b.work(ctx, b.keys.sinks(), cmd) != nil {
				continue
			}
			sinks, _ = cmd.StringSlice()
		}
		n := min(keepSinks, len(sinks))
		for _, sink := range sinks[:n] {
			if err := b.keepSink(ctx, sink); err != nil && ctx.Err() == nil {
				b.log.Debug("housekeeping of a sink failed, it is done again later", slog.String("sink", sink), slog.Any("error", err))
			}
		}
		sinks = sinks[n:]
	}
}

// keeps says whether this hub does the housekeeping.
func (b *Broker) keeps() bool {
	names := b.alive.names()
	return len(names) > 0 && slices.Min(names) == b.name
}

func (b *Broker) keepSink(ctx context.Context, sink string) error {
	stored, err := b.settings(ctx, sink)
	if e := hub.AsError(err); err != nil && e.Code == hub.CodeSinkNotFound {
		return b.work(ctx, b.keys.sinks(), command("srem", b.keys.sinks(), sink))
	}
	if err != nil {
		return err
	}
	config := stored.config
	// Only about, by this machine's clock: Redis decides by its own.
	if config.ExpiresAfter > 0 && time.Since(stored.used) > config.ExpiresAfter/2 {
		if err := b.forgetSink(ctx, sink, strconv.FormatInt(config.ExpiresAfter.Milliseconds(), 10)); err != nil {
			return err
		}
	}
	if config.Order == hub.OrderStrict {
		return nil // whose turn it is ends them, and takes back what is behind
	}
	for _, stream := range config.Streams {
		if err := b.keepStream(ctx, sink, stream, config); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) keepStream(ctx context.Context, sink, stream string, config hub.SinkConfig) error {
	keys := b.keys.of(sink, stream)
	log, side := command("xpending", keys[0], sink), command("exists", keys[3])
	if err := b.work(ctx, keys[0], log, side); err != nil {
		if isNoGroup(err) || errors.Is(err, redis.Nil) {
			return nil // it is made again when it is used
		}
		return err
	}
	summary, _ := log.Slice()
	redriven, _ := side.Int()
	if len(summary) == 0 || number(summary[0]) == 0 && redriven == 0 {
		return nil
	}
	args := []any{sink, b.name, 0, foreignOf(config).Milliseconds(), config.MaxDeliveries, delaysOf(config.Backoff)}
	return b.work(ctx, keys[0], reclaimScript.call(keys, append(args, b.alive.args()...)...))
}
