package ws

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// Authenticator says whose token it is that a client renews its session with. It is safe
// for concurrent use.
type Authenticator interface {
	// Authenticate returns an *hub.Error of CodeUnauthenticated for a token that is not
	// good, and of CodeUnavailable while that cannot be told. It returns once ctx ends.
	Authenticate(ctx context.Context, token string) (*auth.Principal, error)
}

// Options says how a Server works. The zero value of each has a default.
type Options struct {
	Prefetch    int           // of a consumer that names none; default 100
	MaxStreams  int           // of one socket; default 100
	MaxChannels int           // of one socket; default 1000
	Limits      hub.Limits    // of what a client publishes; default hub.DefaultLimits
	SendBuffer  int           // bytes that the kernel keeps of one socket; default 128 KiB
	WriteLimit  time.Duration // for a peer to take one frame; default 10 s
	PingEvery   time.Duration // default 25 s

	// MessageLimit is how long a message of a client may take, from its first byte to
	// its last; default 30 s.
	MessageLimit time.Duration
	// CommandsPerSecond bounds the commands of one socket whose principal has an account,
	// as many at once, too; 0: no bound.
	CommandsPerSecond int

	// Auth checks the tokens of the command authenticate; nil: there is no such command.
	Auth Authenticator
	// Limited is told of each command that was refused or had to wait, and each socket
	// that was closed, and by which limit; nil: nobody is. It must not block.
	Limited func(limit string)

	Log      *slog.Logger
	Registry prometheus.Registerer
}

func (o *Options) setDefaults() {
	setDefault(&o.Prefetch, 100)
	setDefault(&o.MaxStreams, 100)
	setDefault(&o.MaxChannels, 1000)
	setDefault(&o.Limits, hub.DefaultLimits)
	setDefault(&o.SendBuffer, 128<<10)
	setDefault(&o.WriteLimit, 10*time.Second)
	setDefault(&o.PingEvery, 25*time.Second)
	setDefault(&o.MessageLimit, 30*time.Second)
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

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
