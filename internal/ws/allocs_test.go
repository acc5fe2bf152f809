package ws

import (
	"testing"

	"eventhub/internal/alloctest"
)

func TestAllocationsPerEventStayWithinTheirLimits(t *testing.T) {
	alloctest.Check(t, []alloctest.Path{
		{Benchmark: BenchmarkSinkSocket, Events: 100, Rounds: 200, Limit: 0.05},
		{Benchmark: BenchmarkAckSocket, Events: 1, Rounds: 1000, Limit: 19.75},
		{Benchmark: BenchmarkAckOf1000Socket, Events: 1000, Rounds: 50, Limit: 3.26},
		{Benchmark: BenchmarkPlainAcksSocket, Events: 1000, Rounds: 50, Limit: 0.17},
		{Benchmark: BenchmarkReaderSockets, Events: 10_000, Rounds: 50, Limit: 0.14},
		{Benchmark: BenchmarkBroadcastSockets, Events: 100, Rounds: 100, Limit: 0.06},
	})
}
