package broker_test

import (
	"testing"

	"eventhub/internal/alloctest"
)

func TestAllocationsPerEventStayWithinTheirLimits(t *testing.T) {
	alloctest.Check(t, []alloctest.Path{
		{Benchmark: BenchmarkPublishEvent, Events: 1, Rounds: 1000, Limit: 52.24},
		{Benchmark: BenchmarkPublishArrayOf100, Events: 100, Rounds: 50, Limit: 7.54},
		{Benchmark: BenchmarkSinkAckOf1000, Events: 1000, Rounds: 5, Limit: 27.86},
		{Benchmark: BenchmarkSink1000Acks, Events: 1000, Rounds: 5, Limit: 35.88},
		{Benchmark: BenchmarkHistory, Events: 1000, Rounds: 10, Limit: 3.22},
		{Benchmark: BenchmarkTail, Events: 10_000, Rounds: 10, Limit: 0.50},
		{Benchmark: BenchmarkBroadcast, Events: 1000, Rounds: 50, Limit: 0.11},
	})
}
