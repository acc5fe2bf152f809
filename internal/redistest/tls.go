package redistest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
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
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redistest"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.ParseIP(host)},
		KeyUsage:    x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caKey, leafKey := newKey(t), newKey(t)
	private, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatalf("redistest: encoding a key: %v", err)
	}
	return certificates{
		ca:   writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", sign(t, ca, ca, caKey, caKey)),
		cert: writePEM(t, filepath.Join(dir, "server.pem"), "CERTIFICATE", sign(t, leaf, ca, leafKey, caKey)),
		key:  writePEM(t, filepath.Join(dir, "server.key"), "PRIVATE KEY", private),
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("redistest: making a key: %v", err)
	}
	return key
}

// sign certifies that key is the subject's, with the issuer's word for it.
func sign(t testing.TB, subject, issuer *x509.Certificate, key, issuerKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, subject, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		t.Fatalf("redistest: making a certificate: %v", err)
	}
	return der
}

func writePEM(t testing.TB, path, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatalf("redistest: writing a certificate: %v", err)
	}
	return path
}
