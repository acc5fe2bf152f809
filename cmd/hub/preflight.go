package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
)

// firstLook is how long a hub that starts waits for Redis, to look at it before it
// serves. One that starts without Redis looks later.
const firstLook = 2 * time.Second

// engineOptions is what the settings say of the engine.
func engineOptions(cfg *config) broker.Options {
	return broker.Options{
		RedisURL: string(cfg.RedisURL), RedisPassword: string(cfg.RedisPassword), RedisCA: cfg.RedisCA, Prefix: cfg.KeyPrefix, AllowEviction: cfg.AllowEviction,
		Stream: cfg.stream(), Declared: cfg.Declared, NoAutoCreate: !cfg.AutoCreate, IdempotencyWindow: cfg.IdempotencyWindow,
		Durability: hub.Durability(cfg.Durability),
		AckWait:    cfg.SinkAckWait,
		Queue:      broker.QueueLimits{Events: cfg.BroadcastQueueEvents, Bytes: cfg.BroadcastQueueBytes},
		TopSinks:   topSinks(cfg.MetricsSinks),
	}
}

// preflight looks at Redis once it can be asked, within a limit where there is one, and
// logs what is not good. done: it was asked. The error is what a hub does not start on.
func preflight(ctx context.Context, engine *broker.Broker, limit time.Duration, log *slog.Logger) (done bool, err error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	findings := engine.Preflight(ctx)
	for _, f := range findings {
		level := slog.LevelWarn
		switch {
		case f.Level == broker.LevelOK:
			continue
		case f.Level == broker.LevelFatal:
			return true, fmt.Errorf("Redis is not fit for a hub: %s; %s", f.Detail, f.Remedy) //nolint:staticcheck // Redis is a name
		case f.Bad():
			level = slog.LevelError
		}
		log.Log(ctx, level, "Redis is not as it should be", slog.String("check", f.Check), slog.String("node", f.Node), slog.String("found", f.Detail), slog.String("remedy", f.Remedy))
	}
	return findings != nil, nil
}

func topSinks(n int) int {
	if n == 0 {
		return -1 // to the engine, zero is its default
	}
	return n
}
