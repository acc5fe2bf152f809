package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"eventhub/internal/follow"
)

// minSecret is the least that RFC 7518 (3.2) lets HS256 have.
const minSecret = 32

// ReadSecret reads the secret of HS256 from its file; line breaks at the end are no part
// of it. The error says what is wrong with the file, and nothing of what is in it.
func ReadSecret(path string) ([]byte, error) {
	secret, _, err := readSecret(path)
	return secret, err
}

func readSecret(path string) ([]byte, follow.State, error) {
	text, err := follow.Read(path)
	sum := follow.NewSum()
	sum.Add(text, err)
	if err != nil {
		return nil, sum.State(), fmt.Errorf("want a readable file: %w", err)
	}
	text = bytes.TrimRight(text, "\r\n")
	if len(text) < minSecret {
		return nil, sum.State(), fmt.Errorf("want a secret of at least %d bytes in the file, it has %d; openssl rand -hex 32 makes one", minSecret, len(text))
	}
	return text, sum.State(), nil
}

// loadSecret is the ring of a secret.
func loadSecret(path string) ([]*checkKey, follow.State, error) {
	secret, state, err := readSecret(path)
	if err != nil {
		return nil, state, err
	}
	// A plain hash of it would let others than who has tokens try secrets.
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("print of an Event Hub secret"))
	by := &life{print: hex.EncodeToString(mac.Sum(nil)[:16])}
	return []*checkKey{{algs: []string{symmetric}, key: secret, life: by}}, state, nil
}
