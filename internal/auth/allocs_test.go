package auth_test

import (
	"testing"

	"eventhub/internal/alloctest"
)

func TestAllocationsPerEventStayWithinTheirLimits(t *testing.T) {
	alloctest.Check(t, []alloctest.Path{
		{Benchmark: BenchmarkAuthenticateKey, Events: 1, Rounds: 10_000, Limit: 1.1},
		{Benchmark: BenchmarkAuthenticateCachedToken, Events: 1, Rounds: 10_000, Limit: 1.1},
		{Benchmark: BenchmarkAnonymousOfAnAddress, Events: 1, Rounds: 10_000, Limit: 0.05},
	})
}
