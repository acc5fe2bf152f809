package redistest

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// StartReplicated runs a primary and a replica of it, neither of which persists
// anything, and returns when they are in step.
func StartReplicated(t testing.TB) (primary, replica *Server) {
	t.Helper()
	primary = start(t, func(s *Server) { Setup{}.replicated(s, "") })
	return primary, attachReplica(t, primary, 1, Setup{})
}

// AddReplica runs the nth replica of a primary, which persists nothing, and returns when all
// are in step. The first is StartReplicated's.
func AddReplica(t testing.TB, primary *Server, nth int) *Server {
	t.Helper()
	return attachReplica(t, primary, nth, Setup{})
}

// attachReplica runs the nth replica of a primary, and returns when all are in step.
func attachReplica(t testing.TB, primary *Server, nth int, setup Setup) *Server {
	t.Helper()
	replica := start(t, func(s *Server) { setup.replicated(s, "replicaof "+host+" "+primary.announcedPort()+"\n") })
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	if err := await(ctx, func() error { return inStep(ctx, primary, nth) }); err != nil {
		t.Fatalf("redistest: attaching a replica: %v", err)
	}
	return replica
}

// inStep says what a primary still misses of so many replicas that follow it.
func inStep(ctx context.Context, primary *Server, replicas int) error {
	client := primary.dial()
	defer func() { _ = client.Close() }()
	info, err := client.Info(ctx, "replication").Result()
	if err == nil && strings.Count(info, "state=online") < replicas {
		err = fmt.Errorf("%d replicas are not online in\n%s", replicas, info)
	}
	return err
}
