package redistest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// StartReplicated runs a primary and a replica of it, neither of which persists
// anything, and returns when they are in step.
func StartReplicated(t testing.TB) (primary, replica *Server) {
	t.Helper()
	// By default a primary waits 5 s for more replicas to come.
	primary = Start(t, "--repl-diskless-sync-delay", "0")
	return primary, attachReplica(t, primary, 1)
}

// attachReplica runs the nth replica of a primary, and returns when all are in step.
func attachReplica(t testing.TB, primary *Server, nth int) *Server {
	t.Helper()
	replica := Start(t, "--repl-diskless-sync-delay", "0", "--replicaof", host+" "+strconv.Itoa(primary.port))
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
