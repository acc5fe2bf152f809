package redistest

import (
	"context"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"eventhub/internal/certtest"
)

// A TLS is a server that is spoken to over TLS only, and asks for a password.
type TLS struct {
	CAFile   string // the PEM certificate of the authority that vouches for 127.0.0.1
	Password string // of the default user; it is in no URL

	port int
}

// StartTLS runs such a server. It asks its clients for no certificate.
func StartTLS(t testing.TB) *TLS {
	t.Helper()
	files := issue(t, t.TempDir())
	s := &TLS{CAFile: files.ca, Password: "p@ss/w:rd " + rand.Text()} // hard to put into a URL
	server := start(t, func(server *Server) {
		for s.port = server.port; s.port == server.port; {
			s.port = freePort(t)
		}
		server.args = []string{
			"--tls-port", strconv.Itoa(s.port),
			"--tls-cert-file", files.cert,
			"--tls-key-file", files.key,
			"--tls-ca-cert-file", files.ca,
			"--tls-auth-clients", "no",
		}
	})
	// The readiness check speaks plain text and does not log in, so the doors are
	// shut behind it.
	client := server.dial()
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), askTimeout)
	defer cancel()
	for _, setting := range []struct{ name, value string }{{"requirepass", s.Password}, {"port", "0"}} {
		if err := client.ConfigSet(ctx, setting.name, setting.value).Err(); err != nil {
			t.Fatalf("redistest: setting %s: %v", setting.name, err)
		}
	}
	return s
}

// Addr is host:port.
func (s *TLS) Addr() string { return net.JoinHostPort(host, strconv.Itoa(s.port)) }

// URL is rediss://host:port, without the password.
func (s *TLS) URL() string { return "rediss://" + s.Addr() }

// certificates are the paths of PEM files.
type certificates struct{ ca, cert, key string }

// issue makes an authority, and has it issue a certificate for host.
func issue(t testing.TB, dir string) certificates {
	t.Helper()
	authority := certtest.NewAuthority(t)
	cert, key := authority.Issue(2, time.Now().Add(24*time.Hour))
	return certificates{
		ca:   write(t, filepath.Join(dir, "ca.pem"), authority.PEM()),
		cert: write(t, filepath.Join(dir, "server.pem"), cert),
		key:  write(t, filepath.Join(dir, "server.key"), key),
	}
}

func write(t testing.TB, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatalf("redistest: writing a certificate: %v", err)
	}
	return path
}
