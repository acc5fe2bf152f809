package http_test

import (
	"testing"

	"eventhub/internal/alloctest"
)

func TestAllocationsPerEventStayWithinTheirLimits(t *testing.T) {
	alloctest.Check(t, []alloctest.Path{
		{Benchmark: BenchmarkPostEvent, Events: 1, Rounds: 2000, Limit: 9.77},
		{Benchmark: BenchmarkPostEventWithKey, Events: 1, Rounds: 2000, Limit: 9.77},
		{Benchmark: BenchmarkPostRefused, Events: 1, Rounds: 2000, Limit: 15.75},
		{Benchmark: BenchmarkPostArrayOf100, Events: 100, Rounds: 100, Limit: 1.20},
		{Benchmark: BenchmarkPostBroadcast, Events: 1, Rounds: 2000, Limit: 19.23},
	})
}
