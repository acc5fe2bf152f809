package redistest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	slots = 16_384

	// formLimit bounds the forming of a cluster. It takes some 2 s whatever the
	// machine: Redis keeps a new master from reporting ok for that long
	// (CLUSTER_WRITABLE_DELAY in cluster.c).
	formLimit = 30 * time.Second
)

// A Cluster is a set of masters that share the slots evenly, without replicas.
type Cluster struct {
	// Nodes are the masters in slot order. They persist their place in the
	// cluster but no data: a restarted node is empty and owns its slots.
	Nodes []*Server

	members []*Server // with the replicas
}

// StartCluster runs a cluster of so many masters and returns when every node
// knows every other and reports all the slots as served. A node unreachable
// for 2 s counts as failed, and with it, as is Redis's default, the cluster.
func StartCluster(t testing.TB, nodes int) *Cluster {
	t.Helper()
	if nodes < 1 {
		t.Fatalf("redistest: a cluster of %d nodes", nodes)
	}
	return startCluster(t, nodes, Setup{})
}

func startCluster(t testing.TB, nodes int, setup Setup) *Cluster {
	t.Helper()
	c := new(Cluster)
	for range nodes {
		c.Nodes = append(c.Nodes, start(t, setup.member))
	}
	c.members = c.Nodes
	ctx, cancel := context.WithTimeout(t.Context(), formLimit)
	defer cancel()
	if err := c.form(ctx); err != nil {
		t.Fatalf("redistest: forming a cluster of %d: %v", nodes, err)
	}
	return c
}

// Addrs are the addresses that the nodes announce, host:port, in slot order.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		addrs[i] = n.Announced()
	}
	return addrs
}

// URL is redis+cluster://host:port,host:port,… with all the nodes.
func (c *Cluster) URL() string { return "redis+cluster://" + strings.Join(c.Addrs(), ",") }

// Client returns a client of the cluster, closed when t ends. Unlike a single
// server's it may repeat a write whose answer was lost: go-redis counts that
// among the redirections it follows. It goes by no proxy; the options of its
// node clients have the nodes' own addresses.
func (c *Cluster) Client(t testing.TB) *redis.ClusterClient {
	t.Helper()
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs:                 c.Addrs(),
		ContextTimeoutEnabled: true,
		NewClient: func(opt *redis.Options) *redis.Client {
			opt.Addr = behind(c.members, opt.Addr)
			return redis.NewClient(opt)
		},
	})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// form hands out the slots, introduces the nodes and waits until they agree.
func (c *Cluster) form(ctx context.Context) error {
	for i := range c.Nodes {
		if err := c.join(ctx, i); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	for i, n := range c.Nodes {
		if err := n.awaitCluster(ctx, len(c.Nodes)); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

// join gives node i its slots and its epoch, distinct from the start so that no
// election has to settle them, and has it meet all the nodes before it: with
// one hub in the middle the others would find each other by gossip, later.
func (c *Cluster) join(ctx context.Context, i int) error {
	client := c.Nodes[i].dial()
	defer func() { _ = client.Close() }()
	n := len(c.Nodes)
	first, last := i*slots/n, (i+1)*slots/n-1
	if err := client.Do(ctx, "CLUSTER", "ADDSLOTSRANGE", first, last).Err(); err != nil {
		return fmt.Errorf("taking slots %d to %d: %w", first, last, err)
	}
	if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
		return fmt.Errorf("setting its epoch: %w", err)
	}
	for _, peer := range c.Nodes[:i] {
		if err := client.Do(ctx, "CLUSTER", "MEET", host, peer.announcedPort(), peer.bus).Err(); err != nil {
			return fmt.Errorf("meeting %s: %w", peer.Addr(), err)
		}
	}
	return nil
}

// awaitCluster returns when the node sees a whole cluster of so many nodes.
func (s *Server) awaitCluster(ctx context.Context, nodes int) error {
	client := s.dial()
	defer func() { _ = client.Close() }()
	for {
		info, err := client.ClusterInfo(ctx).Result()
		if err != nil {
			return fmt.Errorf("asking for the cluster's state: %w", err)
		}
		view, err := client.ClusterNodes(ctx).Result()
		if err != nil {
			return fmt.Errorf("asking for the cluster's nodes: %w", err)
		}
		if clusterOK(info) && connectedNodes(view) == nodes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; it sees\n%s%s", ctx.Err(), info, view)
		case <-time.After(pollInterval):
		}
	}
}

// clusterOK reads CLUSTER INFO.
func clusterOK(info string) bool {
	return strings.Contains(info, "cluster_state:ok\r\n") &&
		strings.Contains(info, fmt.Sprintf("cluster_slots_ok:%d\r\n", slots))
}

// connectedNodes counts the healthy lines of CLUSTER NODES, whose fields are
// "id addr flags master ping pong epoch link-state slot…". It is -1 while a
// node is anything but a connected master, so that no total can hide one.
func connectedNodes(view string) int {
	count := 0
	for line := range strings.Lines(view) {
		f := strings.Fields(line)
		if len(f) < 8 || f[2] != "master" && f[2] != "myself,master" || f[7] != "connected" {
			return -1
		}
		count++
	}
	return count
}
