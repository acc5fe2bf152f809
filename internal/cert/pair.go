package cert

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"eventhub/internal/follow"
)

// FileError is what is wrong with one of the two files. It shows nothing of a key.
type FileError struct {
	Key  bool   // the fault is the key's, else the certificate's
	Want string // in place of what there is
}

// Error implements error.
func (f *FileError) Error() string {
	if f.Key {
		return "the key: " + f.Want
	}
	return "the certificate: " + f.Want
}

// pair is a certificate with its key.
type pair struct {
	tls.Certificate
	began, ends time.Time // when all of its chain is good
}

// Check says what is wrong with two files; the error is a *FileError.
func Check(certFile, keyFile string) error {
	_, _, err := load(certFile, keyFile)
	return err
}

// load reads two files; the error is a *FileError.
func load(certFile, keyFile string) (*pair, follow.State, error) {
	certPEM, certErr := follow.Read(certFile)
	keyPEM, keyErr := follow.Read(keyFile)
	sum := follow.NewSum()
	sum.Add(certPEM, certErr)
	sum.Add(keyPEM, keyErr)
	state := sum.State()
	switch {
	case certErr != nil:
		return nil, state, &FileError{Want: "want a readable file: " + certErr.Error()}
	case keyErr != nil:
		return nil, state, &FileError{Key: true, Want: "want a readable file: " + keyErr.Error()}
	}
	p, err := parse(certPEM, keyPEM)
	return p, state, err
}

// parse has words of its own for what is wrong with a key: crypto/tls repeats the names
// of PEM blocks, which are text of that file.
func parse(certPEM, keyPEM []byte) (*pair, error) {
	chain, err := certificates(certPEM)
	if err != nil {
		return nil, err
	}
	whole, err := tls.X509KeyPair(certPEM, keyPEM)
	switch {
	case err == nil:
	case isKey(keyPEM):
		return nil, &FileError{Key: true, Want: "want the private key of the certificate, this is another's"}
	default:
		return nil, &FileError{Key: true, Want: "want a PEM file with a private key (PKCS #8, PKCS #1 or EC) that has no passphrase"}
	}
	p := &pair{Certificate: whole}
	for _, c := range chain {
		if p.began.Before(c.NotBefore) {
			p.began = c.NotBefore
		}
		if p.ends.IsZero() || c.NotAfter.Before(p.ends) {
			p.ends = c.NotAfter
		}
	}
	return p, nil
}

func certificates(text []byte) (chain []*x509.Certificate, err error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &FileError{Want: fmt.Sprintf("want PEM certificates, number %d cannot be read: %v", len(chain)+1, err)}
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		want := "want a PEM file with the certificate in it, and what links it to its authority behind that"
		if isKey(text) {
			want += "; this is a key"
		}
		return nil, &FileError{Want: want}
	}
	return chain, nil
}

// isKey says whether there is a private key that can be read, as crypto/tls looks for
// one.
func isKey(text []byte) bool {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return false
		}
		if block.Type != "PRIVATE KEY" && !strings.HasSuffix(block.Type, " PRIVATE KEY") {
			continue
		}
		_, err8 := x509.ParsePKCS8PrivateKey(block.Bytes)
		_, err1 := x509.ParsePKCS1PrivateKey(block.Bytes)
		_, errEC := x509.ParseECPrivateKey(block.Bytes)
		return err8 == nil || err1 == nil || errEC == nil
	}
}
