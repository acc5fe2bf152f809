// Package redistest starts private redis-server processes for tests: a single
// server, Sentinels, a cluster, one with TLS, and a TCP proxy that injects the
// faults a network has.
// Only _test files import it.
//
// Invariants:
//   - A server belongs to the test that started it and is gone when that test
//     is: killed and reaped by t.Cleanup, or by the kernel (Linux) when the
//     test binary itself is killed.
//   - What is returned is ready: a server has answered PING, and it was our
//     process which answered; every node of a cluster knows every other and
//     reports all slots served.
//   - A missing redis-server fails the test. It never skips it.
//
// Methods without an error report failure through the testing.TB the value was
// started with, so they are called from that test's goroutine, one at a time.
// Proxy's faults are the exception: any goroutine may switch them.
//
// Goroutines: one per running process, pinned to the thread that forked it (see
// process); one accept loop per Proxy and three per proxied connection. Each is
// waited for before the test's cleanup returns.
package redistest
