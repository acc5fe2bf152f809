package main

import (
	"testing"

	"eventhub/internal/alloctest"
)

func TestAllocationsPerEventStayWithinTheirLimits(t *testing.T) {
	alloctest.Check(t, []alloctest.Path{
		{Benchmark: BenchmarkHubPost, Events: 1, Rounds: 1000, Limit: 124.75},
		{Benchmark: BenchmarkHubPostArrayOf100, Events: 100, Rounds: 20, Limit: 17.31},
		{Benchmark: BenchmarkHubSinkAckOf1000, Events: 1000, Rounds: 5, Limit: 32.87},
		{Benchmark: BenchmarkHubSink1000Acks, Events: 1000, Rounds: 3, Limit: 88.68},
		{Benchmark: BenchmarkHubReaders, Events: 10_000, Rounds: 10, Limit: 0.73},
		{Benchmark: BenchmarkHubBroadcast, Events: 1000, Rounds: 20, Limit: 0.27},
	})
}
