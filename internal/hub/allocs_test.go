package hub_test

import (
	"testing"

	"eventhub/internal/alloctest"
)

func TestAllocationsPerEventStayWithinTheirLimits(t *testing.T) {
	alloctest.Check(t, []alloctest.Path{
		{Benchmark: BenchmarkDecodeEvent, Events: 1, Rounds: 2000, Limit: 16.24},
		{Benchmark: BenchmarkDecodeArrayOf100, Events: 100, Rounds: 100, Limit: 13.28},
		{Benchmark: BenchmarkAppendEvent, Events: 1, Rounds: 2000, Limit: 0.05},
		{Benchmark: BenchmarkDecode1000Acks, Events: 1000, Rounds: 50, Limit: 3.23},
	})
}
