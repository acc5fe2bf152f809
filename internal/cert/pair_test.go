package cert_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventhub/internal/cert"
	"eventhub/internal/certtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFaultsNameTheFileAndShowNothingOfTheKey(t *testing.T) {
	t.Parallel()
	authority := certtest.NewAuthority(t)
	good, key := authority.Issue(1, time.Now().Add(time.Hour))
	_, other := authority.Issue(2, time.Now().Add(time.Hour))
	const canary = "hunter2"
	locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte(canary)})
	odd := pem.EncodeToMemory(&pem.Block{Type: canary, Bytes: []byte(canary)})
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("no certificate")})
	for name, c := range map[string]struct {
		cert, key []byte // nil: there is no file
		fault     string
	}{
		"no certificate":       {nil, key, "the certificate: want a readable file: no such file"},
		"no key":               {good, nil, "the key: want a readable file: no such file"},
		"empty certificate":    {[]byte{}, key, "the certificate: want a PEM file with the certificate in it"},
		"empty key":            {good, []byte{}, "the key: want a PEM file with a private key"},
		"broken certificate":   {append(bytes.Clone(good), broken...), key, "the certificate: want PEM certificates, number 2 cannot be read"},
		"files interchanged":   {key, good, "this is a key"},
		"certificate as key":   {good, good, "the key: want a PEM file with a private key"},
		"key with passphrase":  {good, locked, "that has no passphrase"},
		"some other PEM":       {good, odd, "the key: want a PEM file with a private key"},
		"text as key":          {good, []byte(canary), "the key: want a PEM file with a private key"},
		"another's key":        {good, other, "the key: want the private key of the certificate, this is another's"},
		"endless key":          {good, bytes.Repeat([]byte("x"), 9<<20), "the key: want a readable file: it has more than 8388608 bytes"},
		"nothing but the pair": {good, key, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
			for path, text := range map[string][]byte{certFile: c.cert, keyFile: c.key} {
				if text == nil {
					continue
				}
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := cert.Check(certFile, keyFile)
			if c.fault == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var fault *cert.FileError
			if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.fault) {
				t.Fatalf("got %v, want %s", err, c.fault)
			}
			if fault.Key != strings.HasPrefix(err.Error(), "the key") || strings.Contains(err.Error(), canary) {
				t.Errorf("got %+v", fault)
			}
			if source, err := cert.Open(cert.Options{CertFile: certFile, KeyFile: keyFile}); err == nil {
				t.Errorf("it was opened all the same: %v", source)
			}
		})
	}
}
