package main

import (
	"testing"

	"eventhub/internal/alloctest"
)

func TestAllocationsPerEventStayWithinTheirLimits(t *testing.T) {
	alloctest.Check(t, []alloctest.Path{
		{Benchmark: BenchmarkHubPost, Events: 1, Rounds: 1000, Limit: 86.06},
		{Benchmark: BenchmarkHubPostArrayOf100, Events: 100, Rounds: 20, Limit: 8.96},
		{Benchmark: BenchmarkHubSinkAckOf1000, Events: 1000, Rounds: 5, Limit: 30.84},
		{Benchmark: BenchmarkHubSink1000Acks, Events: 1000, Rounds: 3, Limit: 84.14},
		{Benchmark: BenchmarkHubSink1000PlainAcks, Events: 1000, Rounds: 5, Limit: 28.82},
		{Benchmark: BenchmarkHubReaders, Events: 10_000, Rounds: 10, Limit: 0.63},
		{Benchmark: BenchmarkHubBroadcast, Events: 1000, Rounds: 20, Limit: 0.23},
	})
}
