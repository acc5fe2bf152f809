package main

import (
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/auth"
)

// limits are what hub_limited_total counts.
var limits = [...]string{
	"requests", "events", "connections", "address", "principal", "handshakes", "commands", "pings", "fragments", "message_time", "tickets",
}

// newLimited counts what limits have refused or closed.
func newLimited(registry prometheus.Registerer) func(limit string) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "hub_limited_total", Help: "What a limit has refused, delayed or closed, by limit.",
	}, []string{"limit"})
	registry.MustRegister(total)
	for _, limit := range limits {
		total.WithLabelValues(limit)
	}
	return func(limit string) { total.WithLabelValues(limit).Inc() }
}

// handshakes is how many WebSockets and event streams may begin in a second; 0: as many as
// come. Who has a hub on loopback to himself, and asks nobody who they are, is not limited
// in anything.
func handshakes(cfg *config, local bool) int {
	if local && !cfg.authenticates() {
		return 0
	}
	return cfg.HandshakesPerSecond
}

// newAuthenticator says who may ask; local: the listener is on loopback. A hub that would
// let everybody do everything from beyond this machine does not start, unless it is told
// to.
func newAuthenticator(cfg *config, local bool, limited func(string), log *slog.Logger, registry prometheus.Registerer) (*auth.Authenticator, error) {
	opts := cfg.sources()
	opts.Batch, opts.Limited, opts.Log, opts.Registry = cfg.MaxBatchEvents, limited, log, registry
	opts.Defaults = auth.Limits{Requests: float64(cfg.RequestsPerSecond), Events: float64(cfg.EventsPerSecond), Tickets: float64(cfg.TicketsPerSecond), Connections: cfg.MaxConnectionsPerPrincipal}
	switch {
	case cfg.authenticates():
	case local:
		opts.Anonymous = auth.AnonymousUnlimited
	case cfg.AllowAnonymous:
		opts.Anonymous = auth.AnonymousLimited
		log.Warn("anybody who reaches this hub may do everything (HUB_ALLOW_ANONYMOUS): it listens beyond loopback, without keys or tokens")
	default:
		return nil, &configError{[]string{fmt.Sprintf("HUB_ADDR=%q: anybody who reaches it could do everything, as nothing says who may:"+
			" set HUB_API_KEYS_FILE (hub key new makes a key), or HUB_JWT_ISSUER with HUB_JWT_SECRET_FILE, HUB_JWT_KEYS_FILE or HUB_JWT_JWKS_URL;"+
			" or listen on loopback only, such as 127.0.0.1:8080; or set HUB_ALLOW_ANONYMOUS=true where that is meant", cfg.Addr)}}
	}
	a, err := auth.Open(opts)
	if err != nil {
		return nil, fmt.Errorf("reading who may ask: %w", err)
	}
	return a, nil
}
