package redistest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// StartClusterWithReplicas runs a cluster of so many masters, each with one replica, and
// returns when all are in step. Replicas holds them in the order of Nodes; either of a pair
// may be master after a failover.
func StartClusterWithReplicas(t testing.TB, masters int, setup Setup) (c *Cluster, replicas []*Server) {
	t.Helper()
	c = startCluster(t, masters, setup)
	ctx, cancel := context.WithTimeout(t.Context(), formLimit)
	defer cancel()
	for i, master := range c.Nodes {
		replica := start(t, setup.member)
		replicas = append(replicas, replica)
		if err := replica.follow(ctx, c, master); err != nil {
			t.Fatalf("redistest: attaching a replica to node %d: %v", i, err)
		}
	}
	c.members = slices.Concat(c.Nodes, replicas)
	for i, node := range c.members {
		if err := await(ctx, func() error { return node.knows(ctx, masters) }); err != nil {
			t.Fatalf("redistest: node %d: %v", i, err)
		}
	}
	return c, replicas
}

// follow has a new node meet all others and become the replica of one.
func (s *Server) follow(ctx context.Context, c *Cluster, master *Server) error {
	client, upper := s.dial(), master.dial()
	defer func() { _, _ = client.Close(), upper.Close() }()
	for _, peer := range c.Nodes {
		if err := client.Do(ctx, "CLUSTER", "MEET", host, peer.announcedPort(), peer.bus).Err(); err != nil {
			return fmt.Errorf("meeting %s: %w", peer.Addr(), err)
		}
	}
	id, err := upper.Do(ctx, "CLUSTER", "MYID").Text()
	if err != nil {
		return fmt.Errorf("asking for its master's name: %w", err)
	}
	return await(ctx, func() error { return client.Do(ctx, "CLUSTER", "REPLICATE", id).Err() })
}

// knows says what a node still misses of a cluster with a replica for each master.
func (s *Server) knows(ctx context.Context, masters int) error {
	client := s.dial()
	defer func() { _ = client.Close() }()
	view, err := client.ClusterNodes(ctx).Result()
	if err != nil {
		return err
	}
	info, err := client.ClusterInfo(ctx).Result()
	if err != nil {
		return err
	}
	replication, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return err
	}
	linked := strings.Contains(replication, "state=online") || strings.Contains(replication, "master_link_status:up")
	if clusterOK(info) && linked && strings.Count(view, " connected") >= 2*masters && strings.Count(view, "slave") == masters && !strings.Contains(view, "fail") {
		return nil
	}
	return fmt.Errorf("it sees\n%s%s%s", info, view, replication)
}
