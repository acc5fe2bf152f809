package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"eventhub/api"
	"eventhub/internal/auth"
	"eventhub/internal/broker"
	"eventhub/internal/cert"
	"eventhub/internal/http"
	"eventhub/internal/hub"
	"eventhub/internal/ws"
)

// The engine serves both edges, which know it by what they need of it.
var (
	_ http.Broker = (*broker.Broker)(nil)
	_ ws.Broker   = (*broker.Broker)(nil)

	_ http.Authenticator = (*auth.Authenticator)(nil)
	_ ws.Authenticator   = (*auth.Authenticator)(nil)
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
	// What drains may take all but what closing needs.
	closing := (cfg.ShutdownTimeout - cfg.DrainTimeout) / 2
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
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
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("HUB_ADDR: %w", err)
	}
	defer listener.Close() // for a hub that does not start
	limited := newLimited(registry)
	authenticator, err := newAuthenticator(&cfg, onLoopback(listener), limited, log, registry)
	if err != nil {
		return err
	}
	sizes := hub.Limits{EventBytes: cfg.MaxEventBytes, BatchEvents: cfg.MaxBatchEvents, BatchBytes: cfg.MaxBatchBytes, JSONDepth: cfg.MaxJSONDepth}
	sockets := ws.NewServer(engine, ws.Options{
		Limits: sizes, Prefetch: cfg.SinkPrefetch, MaxStreams: cfg.MaxStreamsPerSocket, MaxChannels: cfg.MaxChannelsPerSocket,
		SendBuffer: cfg.SendBufferBytes, WriteLimit: cfg.WriteTimeout, PingEvery: cfg.PingInterval,
		CommandsPerSecond: cfg.CommandsPerSecond, Auth: authenticator, Limited: limited, Log: log, Registry: registry,
	})
	defer sockets.Close()

	admin := &http.Admin{Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}), Level: level}
	opts := http.Options{
		Broker: engine, Sink: sockets.ServeSink, Reader: sockets.ServeReader, Broadcast: sockets.ServeBroadcast, Auth: authenticator, Limits: sizes, Streams: cfg.stream(),
		MaxStreams: cfg.MaxStreamsPerSocket, MaxChannels: cfg.MaxChannelsPerSocket, SendBuffer: cfg.SendBufferBytes, WriteLimit: cfg.WriteTimeout,
		MaxConnections: roomFor(cfg.MaxConnections, descriptors(), log), MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress, HandshakesPerSecond: handshakes(&cfg, onLoopback(listener)), MaxHeaderBytes: cfg.MaxHeaderBytes,
		Limited: limited, Origins: cfg.Origins, OpenAPI: api.OpenAPI, AsyncAPI: api.AsyncAPI, Log: log, Registry: registry,
	}
	if cfg.AdminAddr == "" {
		opts.Admin = admin
	}
	if cfg.AccessLog {
		opts.AccessLog = log
	}
	var certificate *cert.Source
	if cfg.TLSCert != "" {
		certificate, err = cert.Open(cert.Options{CertFile: cfg.TLSCert, KeyFile: cfg.TLSKey, Log: log, Registry: registry})
		if err != nil {
			return fmt.Errorf("HUB_TLS_CERT and HUB_TLS_KEY: %w", err)
		}
		opts.Certificate = certificate.Get
	}
	opts.Local = onLoopback(listener)
	var side net.Listener
	if cfg.AdminAddr != "" {
		if side, err = net.Listen("tcp", cfg.AdminAddr); err != nil {
			return fmt.Errorf("HUB_ADMIN_ADDR: %w", err)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return http.NewServer(opts).Run(ctx, listener, cfg.ShutdownTimeout-closing, func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, cfg.DrainTimeout)
			defer cancel()
			sockets.Drain(ctx)
		})
	})
	group.Go(func() error {
		authenticator.Run(ctx)
		return nil
	})
	if !examined {
		group.Go(func() error {
			_, err := preflight(ctx, engine, 0, log)
			return err
		})
	}
	if certificate != nil {
		group.Go(func() error {
			certificate.Run(ctx)
			return nil
		})
	}
	if side != nil {
		group.Go(func() error {
			return http.NewAdminServer(admin, cfg.Origins, onLoopback(side), log).Run(ctx, side, time.Second, func(context.Context) {})
		})
	}
	log.Info("listening", slog.String("addr", listener.Addr().String()), slog.String("hub", engine.Name()),
		slog.String("version", version()), slog.Bool("tls", certificate != nil), slog.Bool("authentication", cfg.authenticates()), slog.Bool("embedded_redis", embedded))
	if embedded {
		log.Warn("embedded Redis: nothing survives a restart, and other hubs cannot join; set HUB_REDIS_URL to use a real one")
		welcome(stdout, listener.Addr().String(), certificate != nil)
		if cfg.authenticates() {
			_, _ = fmt.Fprint(stdout, "Each of these wants a token, too: curl -H 'Authorization: Bearer <key or token>' …, wscat -H 'Authorization: Bearer <key or token>' …\n\n")
		}
	}
	return group.Wait()
}

// onLoopback says that nothing but this machine reaches the listener.
func onLoopback(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

func topSinks(n int) int {
	if n == 0 {
		return -1 // to the engine, zero is its default
	}
	return n
}

// newLog returns the log, and what its level is set by.
func newLog(cfg config, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(cfg.LogLevel)
	options := &slog.HandlerOptions{Level: level}
	if cfg.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options)), level
	}
	return slog.New(slog.NewJSONHandler(w, options)), level
}

// release is set by the linker where the build has no version control at hand.
var release string

// version is the release's, or the module's as the Go tool knows it.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// welcome tells who tries the hub out what to type.
func welcome(w io.Writer, addr string, secure bool) {
	s := ""
	if secure {
		s = "s"
	}
	_, _ = fmt.Fprintf(w, `
Event Hub listens on http%[2]s://%[1]s

  NOTHING SURVIVES A RESTART: this hub keeps its events in an embedded Redis.
  Set HUB_REDIS_URL=redis://host:6379 to keep them, and to run several hubs.

Publish an event, and pass a message on to whoever listens:

  curl -d '{"type":"order.created","data":{"id":1}}' http%[2]s://%[1]s/v1/streams/orders/events
  curl -d '{"data":"hi"}' http%[2]s://%[1]s/v1/broadcast/room-1

Read along, from the first event on:

  curl -N 'http%[2]s://%[1]s/v1/readers/sse?stream=orders&from=oldest'

Consume, and listen (wscat: npm install -g wscat):

  wscat -c 'ws%[2]s://%[1]s/v1/sinks/billing/ws?stream=orders&from=oldest'
  wscat -c 'ws%[2]s://%[1]s/v1/broadcast/ws?channel=room-1'

The API: http%[2]s://%[1]s/openapi.yaml   metrics: http%[2]s://%[1]s/metrics   settings: hub --help

`, addr, s)
}
