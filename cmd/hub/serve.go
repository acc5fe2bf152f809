package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"eventhub/internal/broker"
)

// serve wires the parts, serves until ctx ends, and takes them apart in order:
// not ready, no new requests, drained sockets, the engine, Redis.
func serve(ctx context.Context, cfg config, log *slog.Logger, level *slog.LevelVar, stdout io.Writer) (err error) {
	redisURL := string(cfg.RedisURL)
	embedded := redisURL == ""
	if embedded {
		memory, err := startMemory()
		if err != nil {
			return err
		}
		defer memory.close()
		redisURL = memory.url()
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	ofEngine := engineOptions(&cfg)
	ofEngine.RedisURL, ofEngine.CountLag, ofEngine.Log, ofEngine.Registry = redisURL, embedded, log, registry
	engine, err := broker.New(ofEngine)
	if err != nil {
		return fmt.Errorf("starting the engine: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing(&cfg))
		defer cancel()
		err = errors.Join(err, engine.Close(ctx))
		log.Info("stopped")
	}()
	examined := embedded // there is nothing to find
	if !examined {
		if examined, err = preflight(ctx, engine, firstLook, log); err != nil {
			return err
		}
	}
	e, err := openEdge(&cfg, engine, log, level, registry)
	if err != nil {
		return err
	}
	defer e.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.run(ctx) })
	if !examined {
		group.Go(func() error {
			_, err := preflight(ctx, engine, 0, log)
			return err
		})
	}
	log.Info("listening", slog.String("addr", e.addr()), slog.String("hub", engine.Name()),
		slog.String("version", version()), slog.Bool("tls", e.secure()), slog.Bool("authentication", cfg.authenticates()), slog.Bool("embedded_redis", embedded))
	if embedded {
		log.Warn("embedded Redis: nothing survives a restart, and other hubs cannot join; set HUB_REDIS_URL to use a real one")
		welcome(stdout, e.addr(), e.secure(), cfg.authenticates())
	}
	return group.Wait()
}

// closing is what the engine may take to close: what drains may take all but that.
func closing(cfg *config) time.Duration { return (cfg.ShutdownTimeout - cfg.DrainTimeout) / 2 }
