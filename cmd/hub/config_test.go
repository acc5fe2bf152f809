package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

func TestDefaultsAreValid(t *testing.T) {
	cfg, warnings, err := loadConfig(nil)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("loadConfig(nil): warnings %q, error %v", warnings, err)
	}
	if cfg.Addr != "127.0.0.1:8080" || cfg.RedisURL != "" || cfg.MaxEventBytes != 1<<20 ||
		cfg.SinkAckWait != 30*time.Second || cfg.LogLevel != slog.LevelInfo {
		t.Errorf("unexpected defaults: %+v", cfg)
	}
}

func TestEmptyVariableMeansTheDefault(t *testing.T) {
	var environ []string
	for _, s := range settings() {
		environ = append(environ, s.name+"=")
	}
	got, _, err := loadConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	if want, _, _ := loadConfig(nil); !reflect.DeepEqual(got, want) {
		t.Errorf("with empty variables: %+v\nwithout any: %+v", got, want)
	}
}

// TestTagsAreComplete is why the rest of the code may trust them.
func TestTagsAreComplete(t *testing.T) {
	for _, s := range settings() {
		if s.desc == "" {
			t.Errorf("%s says not what it is for", s.name)
		}
		if s.kind == "string" || s.kind == "boolean" {
			continue
		}
		if s.def == "" || s.min == "" || s.max == "" {
			t.Errorf("%s needs envDefault, min and max", s.name)
			continue
		}
		if def := s.bound(s.def); def < s.bound(s.min) || def > s.bound(s.max) {
			t.Errorf("%s: the default %s is not between %s and %s", s.name, s.def, s.min, s.max)
		}
	}
}

func TestEverySettingIsRead(t *testing.T) {
	password, tls := writeFile(t, "hunter2\n"), pair(t)
	keys, secretFile, publicKeys := writeFile(t, "keys: []\n"), writeFile(t, strings.Repeat("s", 32)), tls.Cert // a certificate has a public key
	environ := []string{
		"HUB_ADDR=:80", "HUB_ADMIN_ADDR=[::1]:9090", "HUB_ALLOWED_ORIGINS=https://a.example", "HUB_TLS_CERT=" + tls.Cert, "HUB_TLS_KEY=" + tls.Key, "HUB_REDIS_URL=redis+cluster://bob@a:1,b:2",
		"HUB_REDIS_PASSWORD_FILE=" + password, "HUB_KEY_PREFIX=shop:", "HUB_ALLOW_EVICTION=true",
		"HUB_API_KEYS_FILE=" + keys, "HUB_JWT_SECRET_FILE=" + secretFile, "HUB_JWT_KEYS_FILE=" + publicKeys, "HUB_JWT_JWKS_URL=https://issuer.example/keys",
		"HUB_JWT_ISSUER=https://issuer.example", "HUB_JWT_AUDIENCE=hub",
		"HUB_MAX_CONNECTIONS=21", "HUB_MAX_CONNECTIONS_PER_ADDRESS=22", "HUB_MAX_CONNECTIONS_PER_PRINCIPAL=23", "HUB_HANDSHAKES_PER_SECOND=24",
		"HUB_REQUESTS_PER_SECOND=25", "HUB_EVENTS_PER_SECOND=26", "HUB_COMMANDS_PER_SECOND=27", "HUB_TICKETS_PER_SECOND=29", "HUB_MAX_HEADER_BYTES=4096", "HUB_MAX_JSON_DEPTH=28", "HUB_ACCESS_LOG=true",
		"HUB_MAX_EVENT_BYTES=1000", "HUB_MAX_BATCH_EVENTS=2", "HUB_MAX_BATCH_BYTES=3000",
		"HUB_MAX_CHANNELS_PER_SOCKET=4", "HUB_MAX_STREAMS_PER_SOCKET=5", "HUB_SINK_ACK_WAIT=6s", "HUB_SINK_PREFETCH=7",
		`HUB_STREAMS={"orders":{"max_events":14}}`, "HUB_AUTO_CREATE=false", "HUB_STREAM_MAX_EVENTS=15", "HUB_STREAM_MAX_AGE=16h",
		"HUB_STREAM_ON_FULL=reject", "HUB_IDEMPOTENCY_WINDOW=17s", "HUB_DURABILITY=replicated",
		"HUB_BROADCAST_QUEUE_EVENTS=8", "HUB_BROADCAST_QUEUE_BYTES=9000", "HUB_SEND_BUFFER_BYTES=4096", "HUB_WRITE_TIMEOUT=10m", "HUB_PING_INTERVAL=11s",
		"HUB_METRICS_SINKS=0", "HUB_LOG_LEVEL=warn", "HUB_LOG_FORMAT=text", "HUB_SHUTDOWN_TIMEOUT=13s", "HUB_DRAIN_TIMEOUT=0s",
	}
	got, warnings, err := loadConfig(environ)
	if err != nil || len(warnings) > 0 {
		t.Fatalf("warnings %q, error %v", warnings, err)
	}
	origins, err := http.ParseOrigins("https://a.example")
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		Addr: ":80", AdminAddr: "[::1]:9090", AllowedOrigins: "https://a.example", Origins: origins, TLSCert: tls.Cert, TLSKey: tls.Key, RedisURL: "redis+cluster://bob@a:1,b:2",
		RedisPasswordFile: password, RedisPassword: "hunter2", KeyPrefix: "shop:", AllowEviction: true,
		APIKeysFile: keys, JWTSecretFile: secretFile, JWTKeysFile: publicKeys, JWTJWKSURL: "https://issuer.example/keys",
		JWTIssuer: "https://issuer.example", JWTAudience: "hub", MaxConnections: 21, MaxConnectionsPerAddress: 22, MaxConnectionsPerPrincipal: 23,
		HandshakesPerSecond: 24, RequestsPerSecond: 25, EventsPerSecond: 26, CommandsPerSecond: 27, TicketsPerSecond: 29, MaxHeaderBytes: 4096, MaxJSONDepth: 28, AccessLog: true,
		MaxEventBytes: 1000, MaxBatchEvents: 2, MaxBatchBytes: 3000,
		MaxChannelsPerSocket: 4, MaxStreamsPerSocket: 5, SinkAckWait: 6 * time.Second, SinkPrefetch: 7,
		BroadcastQueueEvents: 8, BroadcastQueueBytes: 9000, SendBufferBytes: 4096, WriteTimeout: 10 * time.Minute, PingInterval: 11 * time.Second,
		Streams: `{"orders":{"max_events":14}}`, AutoCreate: false, StreamMaxEvents: 15, StreamMaxAge: 16 * time.Hour,
		StreamOnFull: hub.OnFullReject, IdempotencyWindow: 17 * time.Second, Durability: "replicated",
		Declared:     map[string]hub.StreamConfig{"orders": {MaxEvents: 14, MaxAge: 16 * time.Hour, OnFull: hub.OnFullReject}},
		MetricsSinks: 0, LogLevel: slog.LevelWarn, LogFormat: "text", ShutdownTimeout: 13 * time.Second, DrainTimeout: 0,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, s := range settings() {
		alone := s.name == "HUB_REDIS_TLS_CA_FILE" || s.name == "HUB_ALLOW_ANONYMOUS" // which do not go with the others
		if !alone && !strings.Contains(strings.Join(environ, "\n")+"\n", s.name+"=") {
			t.Errorf("this test does not set %s", s.name)
		}
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, _, err := loadConfig([]string{
		"HUB_LOG_LEVEL=loud", "HUB_ADDR=localhost", "HUB_PING_INTERVAL=25", "HUB_SINK_PREFETCH=10001",
		"HUB_MAX_BATCH_EVENTS=many", "HUB_KEY_PREFIX={a}", "HUB_REDIS_URL=http://localhost", "HUB_REDIS_PASSWORD_FILE=/nowhere/password",
	})
	if _, ok := errors.AsType[*configError](err); !ok {
		t.Fatalf("got %T %v, want a *configError", err, err)
	}
	want := []string{ // in the order of the settings
		`HUB_ADDR="localhost": want host:port`,
		`HUB_REDIS_URL (not shown here, as it may hold a password): want scheme://host:port with one of the schemes redis, rediss, redis+sentinel`,
		`HUB_REDIS_PASSWORD_FILE="/nowhere/password": want a readable file: no such file or directory`,
		`HUB_KEY_PREFIX="{a}": want 1 to 32 visible ASCII characters without braces`,
		`HUB_MAX_BATCH_EVENTS="many": want a whole number from 1 to 100000`,
		`HUB_SINK_PREFETCH="10001": want a whole number from 1 to 10000`,
		`HUB_PING_INTERVAL="25": want a duration from 100ms to 10m, such as 25s`,
		`HUB_LOG_LEVEL="loud": want debug or info or warn or error`,
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("line %d: got  %s\nwant %s…", i, got[i], want[i])
		}
	}
}

// TestOutOfRangeIsNamed tries both sides of every bound.
func TestOutOfRangeIsNamed(t *testing.T) {
	for _, s := range settings() {
		if s.max == "" {
			continue
		}
		unit := func(n int64) string {
			if s.kind == "duration" {
				return time.Duration(n).String()
			}
			return fmt.Sprint(n)
		}
		for value, wrong := range map[string]bool{
			s.min: false, unit(s.bound(s.min) - 1): true,
			s.max: false, unit(s.bound(s.max) + 1): true,
		} {
			_, _, err := loadConfig([]string{s.name + "=" + value})
			// A good value may clash with the default of another setting.
			if got := err != nil && strings.Contains(err.Error(), fmt.Sprintf("%s=%q: %s", s.name, value, s.want())); got != wrong {
				t.Errorf("%s=%s: out of range %v, want %v: %v", s.name, value, got, wrong, err)
			}
		}
	}
}

func TestWrongValues(t *testing.T) {
	ca, noKeys, strongSecret := writeFile(t, "no certificate\n"), writeFile(t, "keys: []"), writeFile(t, strings.Repeat("s", 32))
	for _, tt := range []struct{ environ, want string }{
		{"HUB_ADDR=:http", "HUB_ADDR="},
		{"HUB_ADDR=:65536", "HUB_ADDR="},
		{"HUB_ADMIN_ADDR=9090", "HUB_ADMIN_ADDR="},
		{"HUB_ADMIN_ADDR=127.0.0.1:8080", "want another address than HUB_ADDR"},
		{"HUB_ALLOWED_ORIGINS=app.example.com,null", `HUB_ALLOWED_ORIGINS="app.example.com,null": "app.example.com": want scheme://host`},
		{"HUB_ALLOWED_ORIGINS=app.example.com,null", `; "null": want origins that can be told apart`},
		{"HUB_API_KEYS_FILE=" + ca, `: want`},
		{"HUB_API_KEYS_FILE=/nowhere/keys", `HUB_API_KEYS_FILE="/nowhere/keys": want a readable file: no such file`},
		{"HUB_API_KEYS_FILE=" + writeFile(t, "keys: [{id: shop}]"), "keys/0 (shop): hash: want the SHA-256"},
		{"HUB_API_KEYS_FILE=" + noKeys + " HUB_ALLOW_ANONYMOUS=true", "HUB_ALLOW_ANONYMOUS=\"true\": want false, or neither HUB_API_KEYS_FILE nor HUB_JWT_…"},
		{"HUB_JWT_SECRET_FILE=" + strongSecret + " HUB_JWT_ISSUER=i HUB_ALLOW_ANONYMOUS=true", "HUB_ALLOW_ANONYMOUS="},
		{"HUB_JWT_SECRET_FILE=" + strongSecret, `HUB_JWT_ISSUER="": want what the claim iss`},
		{"HUB_JWT_SECRET_FILE=" + ca + " HUB_JWT_ISSUER=i", "HUB_JWT_SECRET_FILE (not shown here, as it may hold a secret): want a secret of at least 32 bytes in the file, it has 14"},
		{"HUB_JWT_KEYS_FILE=" + ca + " HUB_JWT_ISSUER=i", "want a PEM file with at least one public key"},
		{"HUB_JWT_JWKS_URL=http://issuer.example/keys HUB_JWT_ISSUER=i", `HUB_JWT_JWKS_URL="http://issuer.example/keys": want https://`},
		{"HUB_JWT_ISSUER=i", "want what its tokens are checked by, too: HUB_JWT_SECRET_FILE"},
		{"HUB_JWT_AUDIENCE=a", "want what tokens are checked by, too: HUB_JWT_SECRET_FILE"},
		{"HUB_ALLOW_ANONYMOUS=yes", "HUB_ALLOW_ANONYMOUS="},
		{"HUB_REDIS_URL=localhost:6379", "HUB_REDIS_URL (not shown"},
		{"HUB_REDIS_URL=redis://", "want a host"},
		{"HUB_REDIS_URL=redis://:6379/0", "want a host"},
		{"HUB_REDIS_URL=redis+cluster://a:1,,b:2", "want a host"},
		{"HUB_REDIS_PASSWORD_FILE=" + ca, "want HUB_REDIS_URL to be set, too"},
		{"HUB_REDIS_URL=redis://bob:pw@h HUB_REDIS_PASSWORD_FILE=" + ca, "not in both"},
		{"HUB_REDIS_URL=redis://h HUB_REDIS_PASSWORD_FILE=" + writeFile(t, "\n"), "it is empty"},
		{"HUB_REDIS_URL=redis://h HUB_REDIS_TLS_CA_FILE=" + ca, "to ask for TLS"},
		{"HUB_REDIS_URL=rediss://h HUB_REDIS_TLS_CA_FILE=" + ca, "want a file with PEM certificates"},
		{"HUB_REDIS_URL=rediss://h HUB_REDIS_TLS_CA_FILE=" + ca + ".gone", "want a readable file: no such file"},
		{"HUB_KEY_PREFIX=" + strings.Repeat("k", 33), "HUB_KEY_PREFIX="},
		{"HUB_KEY_PREFIX=hüb:", "HUB_KEY_PREFIX="},
		{"HUB_LOG_LEVEL=info+1", "HUB_LOG_LEVEL="},
		{"HUB_LOG_FORMAT=xml", "want json or text"},
		{"HUB_DRAIN_TIMEOUT=30s", `HUB_DRAIN_TIMEOUT="30s": want less than HUB_SHUTDOWN_TIMEOUT, which is 30s`},
		{"HUB_SHUTDOWN_TIMEOUT=5s", `HUB_DRAIN_TIMEOUT="": want less than HUB_SHUTDOWN_TIMEOUT, which is 5s; its default is 10s`},
		{"HUB_MAX_EVENT_BYTES=3000000", `HUB_BROADCAST_QUEUE_BYTES="": want at least 6000000`},
		{"HUB_MAX_BATCH_BYTES=1048576", `HUB_MAX_BATCH_BYTES="1048576": want at least 2097152`},
	} {
		_, _, err := loadConfig(strings.Fields(tt.environ))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %s", tt.environ, err, tt.want)
		}
	}
}

func TestTrustedCertificatesAreRead(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	server.Close() // its certificate is all that is wanted
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	cfg, _, err := loadConfig([]string{"HUB_REDIS_URL=rediss://h", "HUB_REDIS_TLS_CA_FILE=" + writeFile(t, string(ca))})
	if err != nil || !bytes.Equal(cfg.RedisCA, ca) {
		t.Errorf("error %v, certificates %q, want %q", err, cfg.RedisCA, ca)
	}
}

// TestWrongSettingIsNotBlamedOnAnother: a value that cannot be read is not
// compared with others.
func TestWrongSettingIsNotBlamedOnAnother(t *testing.T) {
	_, _, err := loadConfig([]string{"HUB_SHUTDOWN_TIMEOUT=never"})
	if err == nil || strings.Contains(err.Error(), "HUB_DRAIN_TIMEOUT") {
		t.Errorf("got %v, want HUB_SHUTDOWN_TIMEOUT only", err)
	}
}

func TestUnknownSettingsAreWarnings(t *testing.T) {
	environ := []string{"HUB_PORT=tcp://10.0.0.1:80", "HUB_ADR=s3cret", "HOME=/root", "HUBCAP=1", "HUB_ADDR=:0"}
	_, warnings, err := loadConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(warnings, "\n")
	for _, want := range []string{"HUB_ADR, HUB_PORT:", "enableServiceLinks: false"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in %s", want, text)
		}
	}
	for _, wrong := range []string{"HUB_ADDR", "HUBCAP", "s3cret"} {
		if strings.Contains(text, wrong) {
			t.Errorf("%q stands in %s", wrong, text)
		}
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	for _, url := range []string{
		"redis://bob:s3cret@host:6379", "redis://s3cret@host", "redis://bob:s3cret", "http://bob:s3cret@host",
		"bob:s3cret@host", "s3cret", "redis://bob:x/s3cret@host", "redis://:%zz s3cret@", "redis+sentinel://h/m?sentinel_password=s3cret",
	} {
		cfg, warnings, err := loadConfig([]string{
			"HUB_REDIS_URL=" + url, "HUB_REDIS_PASSWORD_FILE=" + writeFile(t, "s3cret\n"), "HUB_ADDR=wrong",
		})
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "url", cfg.RedisURL, "password", cfg.RedisPassword)
		for _, text := range append(warnings, fmt.Sprint(err), log.String(),
			fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), fmt.Sprintf("%s %q %x", cfg.RedisURL, cfg.RedisPassword, cfg.RedisPassword)) {
			if strings.Contains(text, "s3cret") || strings.Contains(text, fmt.Sprintf("%x", "s3cret")) {
				t.Errorf("%s: the secret stands in %s", url, text)
			}
		}
	}
}

func TestSecretsInPlaceOfTheirPathsAreNotPrinted(t *testing.T) {
	for name, value := range map[string]string{
		"HUB_JWT_SECRET_FILE": "s3cret", "HUB_API_KEYS_FILE": "hub_s3cret", "HUB_JWT_KEYS_FILE": "-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----",
		"HUB_JWT_JWKS_URL": "https://bob:s3cret@issuer.example/keys",
	} {
		_, warnings, err := loadConfig([]string{name + "=" + value, "HUB_JWT_ISSUER=i"})
		if text := fmt.Sprint(warnings, err); err == nil || strings.Contains(text, "s3cret") || !strings.Contains(text, name+" (not shown here") {
			t.Errorf("%s=%s: %s", name, value, text)
		}
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
