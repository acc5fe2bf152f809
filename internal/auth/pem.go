package auth

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"eventhub/internal/follow"
)

// loadPEM reads a file of public keys: SPKI, PKCS #1, or those of certificates. The error
// shows nothing of the file.
func loadPEM(path string) ([]*checkKey, follow.State, error) {
	text, err := follow.Read(path)
	sum := follow.NewSum()
	sum.Add(text, err)
	if err != nil {
		return nil, sum.State(), fmt.Errorf("want a readable file: %w", err)
	}
	keys, err := decodePEM(text)
	return keys, sum.State(), err
}

func decodePEM(text []byte) (all []*checkKey, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if len(all) == maxRing {
			return nil, fmt.Errorf("want at most %d keys", maxRing)
		}
		public, err := publicKey(block)
		if err != nil {
			return nil, fmt.Errorf("number %d: %w", len(all)+1, err)
		}
		k, err := newCheckKey("", public)
		if err != nil {
			return nil, fmt.Errorf("number %d: %w", len(all)+1, err)
		}
		all = append(all, k)
	}
	if len(all) == 0 {
		return nil, errors.New("want a PEM file with at least one public key")
	}
	return all, nil
}

func publicKey(block *pem.Block) (public any, err error) {
	switch kind := block.Type; {
	case kind == "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case kind == "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case kind == "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = c.PublicKey
		}
	case strings.HasSuffix(kind, "PRIVATE KEY"):
		return nil, errors.New("this is a private key, which the hub does not need: openssl pkey -pubout makes its public key")
	default:
		return nil, errors.New("want PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE")
	}
	if err != nil {
		return nil, errors.New("it cannot be read")
	}
	return public, nil
}
