package auth

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// Anonymous says what who shows no token may do.
type Anonymous uint8

// What who shows no token may do.
const (
	AnonymousNone      Anonymous = iota // nothing: everybody needs a token
	AnonymousLimited                    // everything; each address has the limits of a principal
	AnonymousUnlimited                  // everything, without a limit
)

// Options says who is believed. Every source may be left out.
type Options struct {
	KeysFile       string // API keys, YAML or JSON
	SecretFile     string // the secret of tokens signed by HS256
	PublicKeysFile string // PEM: the public keys of tokens
	JWKSURL        string // where an issuer publishes its keys
	Issuer         string // what the claim iss of tokens must be
	Audience       string // what their claim aud must have

	Anonymous Anonymous
	Defaults  Limits // of principals that have none of their own; 0: no bound
	Batch     int    // the largest batch of events; default 1000

	// Limited is told of what a limit has refused: requests, events or principal (its
	// connections). It is called by many goroutines. nil: nobody is told.
	Limited   func(limit string)
	Transport http.RoundTripper     // of JWKSURL; default: one of its own
	Log       *slog.Logger          // default: discard
	Registry  prometheus.Registerer // default: a private one
}

func (o *Options) setDefaults() {
	if o.Batch == 0 {
		o.Batch = 1000
	}
	if o.Limited == nil {
		o.Limited = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
}

// tokens says that tokens are believed, not only keys.
func (o *Options) tokens() bool {
	return o.SecretFile != "" || o.PublicKeysFile != "" || o.JWKSURL != ""
}
