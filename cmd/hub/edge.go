package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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

// edge is what clients reach of a hub.
type edge struct {
	cfg           *config
	log           *slog.Logger
	listener      net.Listener
	authenticator *auth.Authenticator
	sockets       *ws.Server
	opts          http.Options
	certificate   *cert.Source // nil: plain HTTP
	admin         *http.Admin
	side          net.Listener // for admin; nil: the listener is
}

// openEdge listens, and wires what serves there to the engine. The caller closes it.
func openEdge(cfg *config, engine *broker.Broker, log *slog.Logger, level *slog.LevelVar, registry *prometheus.Registry) (_ *edge, err error) {
	e := &edge{
		cfg: cfg, log: log,
		admin: &http.Admin{Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry}), Level: level},
	}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if e.listener, err = net.Listen("tcp", cfg.Addr); err != nil {
		return nil, fmt.Errorf("HUB_ADDR: %w", err)
	}
	limited := newLimited(registry)
	if e.authenticator, err = newAuthenticator(cfg, onLoopback(e.listener), limited, log, registry); err != nil {
		return nil, err
	}
	e.wire(engine, limited, registry)
	if cfg.TLSCert != "" {
		e.certificate, err = cert.Open(cert.Options{CertFile: cfg.TLSCert, KeyFile: cfg.TLSKey, Log: log, Registry: registry})
		if err != nil {
			return nil, fmt.Errorf("HUB_TLS_CERT and HUB_TLS_KEY: %w", err)
		}
		e.opts.Certificate = e.certificate.Get
	}
	if cfg.AdminAddr != "" {
		if e.side, err = net.Listen("tcp", cfg.AdminAddr); err != nil {
			return nil, fmt.Errorf("HUB_ADMIN_ADDR: %w", err)
		}
	}
	return e, nil
}

// wire makes the sockets' server, and sets what the door's is made of.
func (e *edge) wire(engine *broker.Broker, limited func(limit string), registry prometheus.Registerer) {
	cfg, local := e.cfg, onLoopback(e.listener)
	sizes := hub.Limits{EventBytes: cfg.MaxEventBytes, BatchEvents: cfg.MaxBatchEvents, BatchBytes: cfg.MaxBatchBytes, JSONDepth: cfg.MaxJSONDepth}
	e.sockets = ws.NewServer(engine, ws.Options{
		Limits: sizes, Prefetch: cfg.SinkPrefetch, MaxStreams: cfg.MaxStreamsPerSocket, MaxChannels: cfg.MaxChannelsPerSocket,
		SendBuffer: cfg.SendBufferBytes, WriteLimit: cfg.WriteTimeout, PingEvery: cfg.PingInterval,
		CommandsPerSecond: cfg.CommandsPerSecond, Auth: e.authenticator, Limited: limited, Log: e.log, Registry: registry,
	})
	e.opts = http.Options{
		Broker: engine, Sink: e.sockets.ServeSink, Reader: e.sockets.ServeReader, Broadcast: e.sockets.ServeBroadcast, Auth: e.authenticator, Limits: sizes, Streams: cfg.stream(),
		MaxStreams: cfg.MaxStreamsPerSocket, MaxChannels: cfg.MaxChannelsPerSocket, SendBuffer: cfg.SendBufferBytes, WriteLimit: cfg.WriteTimeout,
		MaxConnections: roomFor(cfg.MaxConnections, descriptors(), e.log), MaxConnectionsPerAddress: cfg.MaxConnectionsPerAddress, HandshakesPerSecond: handshakes(cfg, local), MaxHeaderBytes: cfg.MaxHeaderBytes,
		Limited: limited, Origins: cfg.Origins, Local: local, OpenAPI: api.OpenAPI, AsyncAPI: api.AsyncAPI, Log: e.log, Registry: registry,
	}
	if cfg.AdminAddr == "" {
		e.opts.Admin = e.admin
	}
	if cfg.AccessLog {
		e.opts.AccessLog = e.log
	}
}

// run serves until ctx ends and the sockets are drained, or until it cannot.
func (e *edge) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return http.NewServer(e.opts).Run(ctx, e.listener, e.cfg.ShutdownTimeout-closing(e.cfg), func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, e.cfg.DrainTimeout)
			defer cancel()
			e.sockets.Drain(ctx)
		})
	})
	group.Go(func() error {
		e.authenticator.Run(ctx)
		return nil
	})
	if e.certificate != nil {
		group.Go(func() error {
			e.certificate.Run(ctx)
			return nil
		})
	}
	if e.side != nil {
		group.Go(func() error {
			return http.NewAdminServer(e.admin, e.cfg.Origins, onLoopback(e.side), e.log).Run(ctx, e.side, time.Second, func(context.Context) {})
		})
	}
	return group.Wait()
}

// close ends what run has left, or all of an edge that does not start.
func (e *edge) close() {
	if e.sockets != nil {
		e.sockets.Close()
	}
	if e.listener != nil {
		e.listener.Close()
	}
}

// addr is where the edge listens.
func (e *edge) addr() string { return e.listener.Addr().String() }

// secure says whether it speaks TLS.
func (e *edge) secure() bool { return e.certificate != nil }

// onLoopback says that nothing but this machine reaches the listener.
func onLoopback(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}
