package cert

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// fileBytes bounds a file: a long chain has 20 KiB.
const fileBytes = 1 << 20

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

// digest tells contents of the files apart, be they good or not.
type digest [sha256.Size]byte

// load reads two files; the error is a *FileError.
func load(certFile, keyFile string) (*pair, digest, error) {
	certPEM, certErr := read(certFile)
	keyPEM, keyErr := read(keyFile)
	hash := sha256.New()
	for _, part := range [][]byte{certPEM, keyPEM} {
		sum := sha256.Sum256(part)
		hash.Write(sum[:])
	}
	_, _ = fmt.Fprint(hash, certErr, keyErr)
	state := digest(hash.Sum(nil))
	switch {
	case certErr != nil:
		return nil, state, &FileError{Want: "want a readable file: " + certErr.Error()}
	case keyErr != nil:
		return nil, state, &FileError{Key: true, Want: "want a readable file: " + keyErr.Error()}
	}
	p, err := parse(certPEM, keyPEM)
	return p, state, err
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, fileBytes+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(content) > fileBytes {
		return nil, fmt.Errorf("it has more than %d bytes", fileBytes)
	}
	return content, nil
}

// reason leaves the path out, which is said elsewhere.
func reason(err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		return cause.Err
	}
	return err
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
