package alloctest

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
)

// cores is how many the hub has while it is measured: what happens to meet in one
// batch depends on it.
const cores = 2

// steady takes out of the counts what differs between machines and runs: the number
// of cores, and when pools are emptied, which collections of garbage do. It returns what
// puts back how it was.
func steady() (restore func()) {
	had, percent := runtime.GOMAXPROCS(cores), debug.SetGCPercent(-1)
	return func() {
		runtime.GOMAXPROCS(had)
		debug.SetGCPercent(percent)
	}
}

// run runs a benchmark for so many iterations, after a collection.
func run(benchmark func(b *testing.B), rounds int) testing.BenchmarkResult {
	length := flag.Lookup("test.benchtime").Value
	defer func(had string) { _ = length.Set(had) }(length.String())
	_ = length.Set(fmt.Sprintf("%dx", rounds))
	return testing.Benchmark(benchmark)
}
