package redistest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

func TestTLSServerWantsItsAuthorityAndThePassword(t *testing.T) {
	t.Parallel()
	s := redistest.StartTLS(t)
	if want := "rediss://" + s.Addr(); s.URL() != want {
		t.Errorf("URL is %q, want %q", s.URL(), want)
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	ours, none := x509.NewCertPool(), x509.NewCertPool()
	if !ours.AppendCertsFromPEM(pem) {
		t.Fatalf("%s is no certificate", pem)
	}
	ping := func(password string, config *tls.Config) error {
		c := redis.NewClient(&redis.Options{Addr: s.Addr(), Password: password, TLSConfig: config, MaxRetries: -1, DialerRetries: 1})
		t.Cleanup(func() { _ = c.Close() })
		return c.Ping(t.Context()).Err()
	}
	if err := ping(s.Password, &tls.Config{RootCAs: ours}); err != nil {
		t.Errorf("with all that is needed: %v", err)
	}
	if err := ping("", &tls.Config{RootCAs: ours}); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		t.Errorf("without the password: %v", err)
	}
	var unknown x509.UnknownAuthorityError
	if err := ping(s.Password, &tls.Config{RootCAs: none}); !errors.As(err, &unknown) {
		t.Errorf("without the authority: %v", err)
	}
	if err := ping(s.Password, nil); err == nil {
		t.Error("it answers in plain text")
	}
}
