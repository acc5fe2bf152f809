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
	replica = Start(t, "--repl-diskless-sync-delay", "0", "--replicaof", host+" "+strconv.Itoa(primary.port))
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	if err := await(ctx, func() error { return inStep(ctx, primary) }); err != nil {
		t.Fatalf("redistest: attaching a replica: %v", err)
	}
	return primary, replica
}

// inStep says what a primary still misses of a replica that follows it.
func inStep(ctx context.Context, primary *Server) error {
	client := primary.dial()
	defer func() { _ = client.Close() }()
	info, err := client.Info(ctx, "replication").Result()
	if err == nil && !strings.Contains(info, "state=online") {
		err = fmt.Errorf("no replica is online in\n%s", info)
	}
	return err
}
