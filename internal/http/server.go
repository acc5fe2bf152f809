package http

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// Time limits of a request. Sockets have their own: they end with the upgrade.
const (
	headerLimit = 5 * time.Second
	bodyLimit   = 30 * time.Second
	answerLimit = bodyLimit + 10*time.Second // from the end of the header
	idleLimit   = 2 * time.Minute
	headerBytes = 64 << 10 // by default: a cursor of 100 streams takes 24 KiB
)

// Server serves the API on its listeners.
type Server struct {
	server *http.Server
	log    *slog.Logger
	drain  context.CancelFunc       // ends what waits, and readiness
	gate   func(net.Listener) *gate // nil: everybody comes in
}

// NewServer builds the server; Run starts it.
func NewServer(opts Options) *Server {
	if opts.Limits == (hub.Limits{}) {
		opts.Limits = hub.DefaultLimits
	}
	if opts.MaxStreams == 0 {
		opts.MaxStreams = 100
	}
	if opts.MaxChannels == 0 {
		opts.MaxChannels = 1000
	}
	if opts.SendBuffer == 0 {
		opts.SendBuffer = 128 << 10
	}
	if opts.WriteLimit == 0 {
		opts.WriteLimit = 10 * time.Second
	}
	if opts.Streams == (hub.StreamConfig{}) {
		opts.Streams = hub.DefaultStreamConfig()
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.MaxHeaderBytes == 0 {
		opts.MaxHeaderBytes = headerBytes
	}
	if opts.Limited == nil {
		opts.Limited = func(string) {}
	}
	if opts.Auth == nil {
		opts.Auth = everybody{auth.Everybody()}
	}
	if opts.Registry == nil {
		opts.Registry = prometheus.NewRegistry()
	}
	serving, drain := context.WithCancel(context.Background())
	h := &handler{Options: opts, serving: serving, metrics: newMetrics(opts.Registry)}
	server := newHTTPServer(newEntry(h), opts.MaxHeaderBytes, opts.Log)
	if opts.Certificate != nil {
		secure(server, &opts)
	}
	gate := func(on net.Listener) *gate { return newGate(on, &opts) }
	return &Server{server: server, log: opts.Log, drain: drain, gate: gate}
}

func newHTTPServer(handler http.Handler, headerBytes int, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: headerLimit, ReadTimeout: bodyLimit, WriteTimeout: answerLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: headerBytes, ConnContext: withConn, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// serve speaks TLS where the server has a certificate.
func (s *Server) serve(on net.Listener) error {
	if s.server.TLSConfig != nil {
		return s.server.ServeTLS(on, "", "")
	}
	return s.server.Serve(on)
}

// Handler is the API without a listener.
func (s *Server) Handler() http.Handler { return s.server.Handler }

// Run serves until ctx ends. Then it says that it is not ready, ends the waits of
// pulls, stops accepting, has the sockets drained by drainSockets, waits for the
// requests under way, and returns; what takes longer than limit in all is cut
// off.
func (s *Server) Run(ctx context.Context, on net.Listener, limit time.Duration, drainSockets func(context.Context)) error {
	group, ctx := errgroup.WithContext(ctx)
	refused := func() {}
	if s.gate != nil {
		g := s.gate(on)
		on, refused = g, g.refusals.Wait
	}
	group.Go(func() error {
		defer refused()
		if err := s.serve(listener{on}); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving %s: %w", on.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		s.drain()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
		defer cancel()
		var shutdown errgroup.Group
		shutdown.Go(func() error {
			if err := s.server.Shutdown(ctx); err != nil {
				s.log.Warn("requests were cut off at the shutdown", slog.Duration("limit", limit), slog.Any("error", err))
				return s.server.Close()
			}
			return nil
		})
		shutdown.Go(func() error {
			drainSockets(ctx)
			return nil
		})
		return shutdown.Wait()
	})
	return group.Wait()
}
