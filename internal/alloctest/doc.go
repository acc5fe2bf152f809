// Package alloctest holds benchmarks of hot paths to the allocations that they may
// make for each event, and has clients that allocate nothing, so that only the hub is
// counted. It is for tests only.
//
// Time depends on the machine and on what else it does; the number of allocations
// hardly does, and it is what garbage collection costs. So a limit on it can stand in a
// test, beside the benchmark.
//
// Limits hold under the race detector, with which `make test` builds: it has sync.Pool
// forget one in four at random, so that its counts are somewhat higher than those that
// `go test -bench . -benchmem` shows, and as steady over hundreds of events.
package alloctest
