// Package certtest makes an authority and certificates for tests.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Host is what certificates are for.
const Host = "127.0.0.1"

// Authority issues certificates.
type Authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one, whose own certificate is good from an hour ago for two days.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	now := time.Now()
	a := &Authority{t: t, key: newKey(t), cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	a.cert.Raw = a.sign(a.cert, a.key)
	return a
}

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte { return encode("CERTIFICATE", a.cert.Raw) }

// Pool trusts the authority, and nobody else.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM())
	return pool
}

// Issue makes a key, and a certificate of it for Host that is good from an hour ago
// until an end to the second. Serial tells certificates apart.
func (a *Authority) Issue(serial int64, until time.Time) (cert, key []byte) {
	a.t.Helper()
	from := time.Now().Add(-time.Hour)
	if until.Before(from) {
		from = until.Add(-time.Hour)
	}
	return a.IssueFrom(serial, from, until)
}

// IssueFrom is Issue for another beginning.
func (a *Authority) IssueFrom(serial int64, from, until time.Time) (cert, key []byte) {
	a.t.Helper()
	private := newKey(a.t)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatalf("certtest: encoding a key: %v", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"},
		NotBefore: from, NotAfter: until,
		IPAddresses: []net.IP{net.ParseIP(Host)},
		KeyUsage:    x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	return encode("CERTIFICATE", a.sign(leaf, private)), encode("PRIVATE KEY", der)
}

// sign certifies that key is the subject's.
func (a *Authority) sign(subject *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, subject, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatalf("certtest: making a certificate: %v", err)
	}
	return der
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("certtest: making a key: %v", err)
	}
	return key
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
