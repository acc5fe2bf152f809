package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// prefix starts the name of every setting.
const prefix = "HUB_"

// config is all that can be set, and the only place where a setting is named:
// `hub --help` and the table in README.md are generated from these tags.
//
//	env         the variable's name without HUB_
//	envDefault  what an unset or empty variable means
//	min, max    the bounds of a number or duration, both inclusive
//	oneof       the allowed words
//	desc        what it is for
type config struct {
	Addr      string `env:"ADDR" envDefault:"127.0.0.1:8080" desc:"where to listen, as host:port"`
	AdminAddr string `env:"ADMIN_ADDR" desc:"where to serve /metrics, /debug/pprof and /log-level, as host:port, to whoever reaches it and always by plain HTTP; empty: together with everything else, to who may manage all"`
	TLSCert   string `env:"TLS_CERT" desc:"file with the PEM certificate to speak TLS with on HUB_ADDR, and what links it to its authority behind it; read again when it changes; empty: plain HTTP"`
	TLSKey    string `env:"TLS_KEY" desc:"file with the PEM private key of HUB_TLS_CERT, without a passphrase"`

	AllowedOrigins string `env:"ALLOWED_ORIGINS" desc:"origins whose pages may use the hub, with commas between, such as https://app.example.com or https://*.example.com; * alone: all; empty: only pages of the host that they ask. A hub on loopback may also be asked by their names"`

	APIKeysFile    string `env:"API_KEYS_FILE" desc:"file with API keys, YAML or JSON: each with an id, the SHA-256 of the key, permissions and limits; read again when it changes. hub key new makes one"`
	JWTSecretFile  string `env:"JWT_SECRET_FILE" desc:"file with the secret of tokens signed by HS256, at least 32 bytes; read again when it changes"`
	JWTKeysFile    string `env:"JWT_KEYS_FILE" desc:"file with the PEM public keys of tokens signed by RS, PS, ES or EdDSA; read again when it changes"`
	JWTJWKSURL     string `env:"JWT_JWKS_URL" desc:"where the issuer publishes its keys (JWKS), https:// or on this machine; asked every 5 minutes, and when a token names an unknown key, at most every 10 s"`
	JWTIssuer      string `env:"JWT_ISSUER" desc:"what the claim iss of a token must be; needed where tokens are"`
	JWTAudience    string `env:"JWT_AUDIENCE" envDefault:"eventhub" desc:"what the claim aud of a token must have"`
	AllowAnonymous bool   `env:"ALLOW_ANONYMOUS" envDefault:"false" oneof:"true false" desc:"whether whoever reaches a hub may do everything that listens beyond loopback, and has neither keys nor tokens set; false: such a hub does not start"`

	MaxConnections             int `env:"MAX_CONNECTIONS" envDefault:"50000" min:"1" max:"10000000" desc:"most connections to HUB_ADDR, of all kinds; further ones are answered 503"`
	MaxConnectionsPerAddress   int `env:"MAX_CONNECTIONS_PER_ADDRESS" envDefault:"0" min:"0" max:"10000000" desc:"most of them from one IP address, which may be a proxy's; further ones are answered 429; 0: no bound"`
	MaxConnectionsPerPrincipal int `env:"MAX_CONNECTIONS_PER_PRINCIPAL" envDefault:"10000" min:"0" max:"10000000" desc:"most WebSockets and event streams of one principal on this hub; 0: no bound"`
	HandshakesPerSecond        int `env:"HANDSHAKES_PER_SECOND" envDefault:"1000" min:"0" max:"1000000" desc:"most WebSockets and event streams that begin in a second on this hub, unless it is on loopback without keys or tokens; 0: no bound"`
	RequestsPerSecond          int `env:"REQUESTS_PER_SECOND" envDefault:"10000" min:"0" max:"1000000000" desc:"most requests of one principal in a second on this hub; 0: no bound"`
	EventsPerSecond            int `env:"EVENTS_PER_SECOND" envDefault:"50000" min:"0" max:"1000000000" desc:"most events that one principal publishes in a second on this hub; 0: no bound"`
	TicketsPerSecond           int `env:"TICKETS_PER_SECOND" envDefault:"10" min:"0" max:"1000000" desc:"most tickets that one principal makes in a second on this hub, 100 of them at once; 0: no bound"`
	CommandsPerSecond          int `env:"COMMANDS_PER_SECOND" envDefault:"1000" min:"0" max:"1000000000" desc:"most commands of one WebSocket in a second; acks and nacks of what it was sent are not counted, what else settles events is taken later, others are refused; 0: no bound"`
	MaxHeaderBytes             int `env:"MAX_HEADER_BYTES" envDefault:"65536" min:"4096" max:"16777216" desc:"most bytes of a request's line and headers"`
	MaxJSONDepth               int `env:"MAX_JSON_DEPTH" envDefault:"100" min:"4" max:"10000" desc:"most objects and arrays in one another, in what a client sends"`

	RedisURL          secret `env:"REDIS_URL" desc:"redis://, redis+sentinel:// or redis+cluster://, with rediss for TLS; empty: an embedded Redis that forgets everything at a restart"`
	RedisPasswordFile string `env:"REDIS_PASSWORD_FILE" desc:"file with the Redis password, in place of one in the URL"`
	RedisTLSCAFile    string `env:"REDIS_TLS_CA_FILE" desc:"file with the PEM certificates to trust for Redis; empty: those of the system"`
	AllowEviction     bool   `env:"ALLOW_EVICTION" envDefault:"false" oneof:"true false" desc:"whether to start on a Redis that removes whole streams when its memory runs out (maxmemory-policy allkeys-…)"`
	KeyPrefix         string `env:"KEY_PREFIX" envDefault:"hub:" desc:"what all Redis keys and channels start with; 1 to 32 visible ASCII characters, no braces"`

	MaxEventBytes        int `env:"MAX_EVENT_BYTES" envDefault:"1048576" min:"1" max:"67108864" desc:"most bytes of data in one event"`
	MaxBatchEvents       int `env:"MAX_BATCH_EVENTS" envDefault:"1000" min:"1" max:"100000" desc:"most events in one request"`
	MaxBatchBytes        int `env:"MAX_BATCH_BYTES" envDefault:"8388608" min:"2" max:"268435456" desc:"most bytes in one request; at least twice HUB_MAX_EVENT_BYTES"`
	MaxChannelsPerSocket int `env:"MAX_CHANNELS_PER_SOCKET" envDefault:"1000" min:"1" max:"100000" desc:"most channels of one broadcast connection"`
	MaxStreamsPerSocket  int `env:"MAX_STREAMS_PER_SOCKET" envDefault:"100" min:"1" max:"10000" desc:"most streams of one connection"`

	Streams           string        `env:"STREAMS" desc:"streams that there are from the start, as JSON such as {\"orders\":{\"max_events\":1000}}, or the path of a file with it"`
	AutoCreate        bool          `env:"AUTO_CREATE" envDefault:"true" oneof:"true false" desc:"whether publishing, sinks and readers make the streams that they name; false: an unknown stream is 404"`
	StreamMaxEvents   int64         `env:"STREAM_MAX_EVENTS" envDefault:"1000000" min:"0" max:"1000000000000" desc:"max_events of a stream that names none; 0: no bound"`
	StreamMaxAge      time.Duration `env:"STREAM_MAX_AGE" envDefault:"168h" min:"0s" max:"87600h" desc:"max_age of a stream that names none; 0s: events do not age"`
	StreamOnFull      string        `env:"STREAM_ON_FULL" envDefault:"drop_oldest" oneof:"drop_oldest reject" desc:"on_full of a stream that names none"`
	Durability        string        `env:"DURABILITY" envDefault:"fast" oneof:"fast replicated" desc:"what is true once an event is acknowledged for which the publisher says no other: the primary has it, or a replica, too (WAIT 1), which a failover to another replica may yet lose"`
	IdempotencyWindow time.Duration `env:"IDEMPOTENCY_WINDOW" envDefault:"10m" min:"1s" max:"168h" desc:"how long a publish with an idempotency key is remembered"`

	SinkAckWait  time.Duration `env:"SINK_ACK_WAIT" envDefault:"30s" min:"10ms" max:"24h" desc:"ack_wait of a new sink that names none"`
	SinkPrefetch int           `env:"SINK_PREFETCH" envDefault:"100" min:"1" max:"10000" desc:"prefetch of a connection that names none"`

	BroadcastQueueEvents int           `env:"BROADCAST_QUEUE_EVENTS" envDefault:"1024" min:"1" max:"1000000" desc:"most events that wait for one slow broadcast subscriber before it is closed with 4408 or, by slow=drop, misses the oldest"`
	BroadcastQueueBytes  int           `env:"BROADCAST_QUEUE_BYTES" envDefault:"4194304" min:"2" max:"1073741824" desc:"most bytes that wait for one slow broadcast subscriber; at least twice HUB_MAX_EVENT_BYTES"`
	SendBufferBytes      int           `env:"SEND_BUFFER_BYTES" envDefault:"131072" min:"4096" max:"67108864" desc:"the kernel's send buffer of one WebSocket or event stream, which Linux doubles; what a client that does not read holds beside its queue"`
	WriteTimeout         time.Duration `env:"WRITE_TIMEOUT" envDefault:"10s" min:"100ms" max:"10m" desc:"how long a client may take nothing of what is written to it, 64 KiB at a time, before its connection is ended"`
	PingInterval         time.Duration `env:"PING_INTERVAL" envDefault:"25s" min:"100ms" max:"10m" desc:"how often an idle socket is pinged"`

	MetricsSinks int        `env:"METRICS_SINKS" envDefault:"100" min:"0" max:"10000" desc:"most sinks whose lag is shown on /metrics"`
	AccessLog    bool       `env:"ACCESS_LOG" envDefault:"false" oneof:"true false" desc:"whether each request is logged, with who asked"`
	LogLevel     slog.Level `env:"LOG_LEVEL" envDefault:"info" oneof:"debug info warn error" desc:"least severity that is logged"`
	LogFormat    string     `env:"LOG_FORMAT" envDefault:"json" oneof:"json text" desc:"how log lines are written"`

	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"30s" min:"100ms" max:"1h" desc:"most time from the signal to the end of the process"`
	DrainTimeout    time.Duration `env:"DRAIN_TIMEOUT" envDefault:"10s" min:"0s" max:"1h" desc:"how much of it acks are still taken after the drain frames; less than HUB_SHUTDOWN_TIMEOUT"`

	// What the files hold.
	RedisPassword secret `env:"-"`
	RedisCA       []byte `env:"-"` // PEM

	// Declared is what Streams says.
	Declared map[string]hub.StreamConfig `env:"-"`

	// Origins is what AllowedOrigins says.
	Origins http.Origins `env:"-"`
}

// stream is what a stream is for which nobody says another.
func (c *config) stream() hub.StreamConfig {
	return hub.StreamConfig{MaxEvents: c.StreamMaxEvents, MaxAge: c.StreamMaxAge.Truncate(time.Millisecond), OnFull: c.StreamOnFull}
}

// secret is text that neither fmt nor slog shows: convert it to use it.
type secret string

func (secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[hidden]")) }

func (secret) LogValue() slog.Value { return slog.StringValue("[hidden]") }

// configError is what is wrong with the environment: one line per setting, in
// the order of config. It never shows a secret.
type configError struct{ lines []string }

func (e *configError) Error() string { return strings.Join(e.lines, "\n") }

// loadConfig reads the settings from environ, which has the form of os.Environ.
// The error is a *configError and names every fault there is. The warnings tell
// of HUB_ variables that mean nothing; the config is good in spite of them.
func loadConfig(environ []string) (config, []string, error) {
	var cfg config
	vars := env.ToMap(environ)
	err := env.ParseWithOptions(&cfg, env.Options{Environment: vars, Prefix: prefix})
	c := checker{cfg: &cfg, vars: vars, faults: map[string]string{}}
	if err := c.unreadable(err); err != nil {
		return config{}, nil, err
	}
	c.check()
	return cfg, warnings(vars), c.err()
}

// warnings lists the HUB_ variables that are no settings, without their values:
// a misspelt name may stand before a secret.
func warnings(vars map[string]string) []string {
	known := map[string]bool{}
	for _, s := range settings() {
		known[s.name] = true
	}
	var unknown []string
	for name := range vars {
		if strings.HasPrefix(name, prefix) && !known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return []string{"ignoring unknown settings " + strings.Join(unknown, ", ") +
		": see hub --help for those there are; Kubernetes injects variables like HUB_PORT for a Service named hub," +
		" unless its pods set enableServiceLinks: false"}
}
