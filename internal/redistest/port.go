package redistest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are drawn below the range the kernel gives to outgoing connections
// (Linux: from 32768), so that no connection, not even a client redialling the
// very port, occupies one while its server is down between Kill and Restart.
const (
	lowPort  = 10_000
	highPort = 32_767
)

// errPortTaken means redis-server could not bind: try another port.
var errPortTaken = errors.New("port taken")

// freePort draws a port nobody listens on at this moment. The draw is random,
// not sequential, because several test binaries draw at the same time.
func freePort(t testing.TB) int {
	t.Helper()
	var last error
	for range 100 {
		port := lowPort + rand.IntN(highPort-lowPort)
		ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			_ = ln.Close()
			return port
		}
		last = err
	}
	t.Fatalf("redistest: no free port between %d and %d: %v", lowPort, highPort, last)
	return 0
}
