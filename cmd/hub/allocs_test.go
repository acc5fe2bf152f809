package main

import (
	"testing"

	"eventhub/internal/alloctest"
)

func TestAllocationsPerEventStayWithinTheirLimits(t *testing.T) {
	alloctest.Check(t, []alloctest.Path{
		{Benchmark: BenchmarkHubPost, Events: 1, Rounds: 500, Limit: 125.18},
		{Benchmark: BenchmarkHubPostArrayOf100, Events: 100, Rounds: 20, Limit: 17.12},
		{Benchmark: BenchmarkHubSinkAckOf1000, Events: 1000, Rounds: 5, Limit: 32.80},
		{Benchmark: BenchmarkHubSink1000Acks, Events: 1000, Rounds: 3, Limit: 88.73},
		{Benchmark: BenchmarkHubReaders, Events: 10_000, Rounds: 10, Limit: 0.73},
		{Benchmark: BenchmarkHubBroadcast, Events: 1000, Rounds: 20, Limit: 0.25},
	})
}
