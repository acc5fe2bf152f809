package redistest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// askTimeout bounds the commands this package sends on its own behalf.
const askTimeout = 10 * time.Second

// Client returns a client of the server, closed when t ends. It never retries,
// so that what a test writes is written at most once and what fails is seen;
// the deadline of a context applies to reads and writes.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := s.dial()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ClientCount is the number of connections the server has whose client name
// (CLIENT SETNAME) is name. The asking connection has no name of its own.
func (s *Server) ClientCount(t testing.TB, name string) int {
	t.Helper()
	c := s.dial()
	defer func() { _ = c.Close() }()
	// A cleanup may want to count too, when t's context has been cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), askTimeout)
	defer cancel()
	list, err := c.ClientList(ctx).Result()
	if err != nil {
		t.Fatalf("redistest: listing the clients of %s: %v", s.Addr(), err)
	}
	count := 0
	for line := range strings.Lines(list) {
		for _, field := range strings.Fields(line) { // a name cannot contain a space
			if field == "name="+name {
				count++
			}
		}
	}
	return count
}

func (s *Server) dial() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:                  s.Addr(),
		MaxRetries:            -1,
		DialerRetries:         1,
		ContextTimeoutEnabled: true,
	})
}
