package follow

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
)

// fileBytes bounds a file: a long chain of certificates has 20 KiB, ten thousand keys with
// their permissions have two MiB or more.
const fileBytes = 8 << 20

// Read reads a file of at most 8 MiB. The error leaves the path out, which the caller
// says.
func Read(path string) ([]byte, error) {
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

func reason(err error) error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		return cause.Err
	}
	return err
}

// State tells contents of files apart, be they good or not.
type State [sha256.Size]byte

// Sum is the state of files that were read by Read, in this order.
type Sum struct{ hash hash.Hash }

// NewSum is of no files yet.
func NewSum() *Sum { return &Sum{sha256.New()} }

// Add adds what Read has returned.
func (s *Sum) Add(content []byte, err error) {
	sum := sha256.Sum256(content)
	s.hash.Write(sum[:])
	_, _ = fmt.Fprintf(s.hash, "%v\n", err)
}

// State is that of what was added.
func (s *Sum) State() State { return State(s.hash.Sum(nil)) }
