package cert

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/follow"
)

// Options says what a Source is of. The files are needed.
type Options struct {
	CertFile string                // PEM: the certificate, and those behind it up to its authority's
	KeyFile  string                // PEM: its private key
	Log      *slog.Logger          // default: discard
	Registry prometheus.Registerer // default: a private one
}

// Source is a certificate that follows its files.
type Source struct {
	opts  Options
	files follow.Files[*pair]
	shown atomic.Pointer[pair]
	ends  prometheus.Gauge
}

// Open reads the files; an error is a *FileError. Run follows them.
func Open(opts Options) (*Source, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Registry == nil {
		opts.Registry = prometheus.NewRegistry()
	}
	s := &Source{opts: opts, ends: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hub_tls_certificate_expiration_timestamp_seconds",
		Help: "When the listener's certificate ends, or the first one of its chain, in Unix time.",
	})}
	s.files = follow.Files[*pair]{Load: func() (*pair, follow.State, error) { return load(opts.CertFile, opts.KeyFile) }, Use: s.replace, Refuse: s.refuse}
	first, err := s.files.Open()
	if err != nil {
		return nil, err
	}
	opts.Registry.MustRegister(s.ends)
	s.show(first)
	return s, nil
}

// Get is the GetCertificate of a tls.Config, for any number of goroutines.
func (s *Source) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return &s.shown.Load().Certificate, nil
}

// Run follows the files until ctx ends: a new certificate is shown within 4 s.
func (s *Source) Run(ctx context.Context) { s.files.Run(ctx) }

func (s *Source) replace(next *pair) {
	s.opts.Log.Info("the TLS certificate was replaced", slog.String("file", s.opts.CertFile), slog.Time("expires", next.ends))
	s.show(next)
}

func (s *Source) refuse(err error) {
	s.opts.Log.Error("the TLS files have changed and are not good; the certificate from before stays", slog.String("cert", s.opts.CertFile),
		slog.String("key", s.opts.KeyFile), slog.Time("expires", s.shown.Load().ends), slog.Any("error", err))
}

// show has the next handshakes get a pair. Clients refuse one that is over, but
// some may not look, so that is not for the hub to say.
func (s *Source) show(p *pair) {
	s.shown.Store(p)
	s.ends.Set(float64(p.ends.Unix()))
	switch now := time.Now(); {
	case now.After(p.ends):
		s.opts.Log.Warn("the TLS certificate has expired: clients will refuse it", slog.String("file", s.opts.CertFile), slog.Time("expired", p.ends))
	case now.Before(p.began):
		s.opts.Log.Warn("the TLS certificate is not valid yet: clients will refuse it", slog.String("file", s.opts.CertFile), slog.Time("begins", p.began))
	}
}
