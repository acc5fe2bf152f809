package redistest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

func TestClusterTakesKeysOnEveryNode(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3)
	client := c.Client(t)
	const keys = 300
	for i := range keys {
		if err := client.Set(t.Context(), fmt.Sprint("key-", i), i, 0).Err(); err != nil {
			t.Fatalf("key %d: %v", i, err)
		}
	}
	total := int64(0)
	for i, n := range c.Nodes {
		size, err := n.Client(t).DBSize(t.Context()).Result()
		if err != nil || size == 0 {
			t.Errorf("node %d holds %d keys (%v), want some", i, size, err)
		}
		total += size
	}
	if total != keys {
		t.Errorf("the nodes hold %d keys, want %d", total, keys)
	}
}

func TestClusterNamesItsNodes(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2)
	if want := []string{c.Nodes[0].Addr(), c.Nodes[1].Addr()}; strings.Join(c.Addrs(), " ") != strings.Join(want, " ") {
		t.Errorf("addresses are %q, want %q", c.Addrs(), want)
	}
	if want := "redis+cluster://" + c.Nodes[0].Addr() + "," + c.Nodes[1].Addr(); c.URL() != want {
		t.Errorf("URL is %q, want %q", c.URL(), want)
	}
	// Every node sends clients to the same addresses, its own included.
	for i, n := range c.Nodes {
		shards, err := n.Client(t).ClusterShards(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if err := coverAllSlots(shards, c.Addrs()); err != nil {
			t.Errorf("node %d: %v", i, err)
		}
	}
}

func TestClusterNodeKeepsItsSlotsOverRestart(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 1)
	c.Nodes[0].Restart()
	shards, err := c.Nodes[0].Client(t).ClusterShards(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := coverAllSlots(shards, c.Addrs()); err != nil {
		t.Error(err)
	}
}

func TestClusterIsNotReadyBeforeItsNodesMet(t *testing.T) {
	const (
		self  = "a1 127.0.0.1:1@2 myself,master - 0 0 1 connected 0-8191\n"
		peer  = "b2 127.0.0.1:3@4 master - 0 1 2 connected 8192-16383\n"
		shake = "c3 127.0.0.1:5@6 handshake - 0 0 0 connected\n"
		fails = "c3 127.0.0.1:5@6 master,fail? - 0 0 3 connected\n"
		apart = "c3 127.0.0.1:5@6 master - 0 0 3 disconnected\n"
	)
	for view, want := range map[string]int{
		self: 1, self + peer: 2, self + peer + shake: -1, self + peer + fails: -1, self + peer + apart: -1,
	} {
		if got := redistest.ConnectedNodes(view); got != want {
			t.Errorf("%d nodes connected, want %d, in\n%s", got, want, view)
		}
	}
}

// coverAllSlots checks that each slot has one owner, and each address slots.
func coverAllSlots(shards []redis.ClusterShard, addrs []string) error {
	owner := make(map[int64]string)
	owned := make(map[string]int)
	for _, shard := range shards {
		for _, r := range shard.Slots {
			for slot := r.Start; slot <= r.End; slot++ {
				if owner[slot] != "" {
					return fmt.Errorf("slot %d has two owners", slot)
				}
				addr := fmt.Sprintf("%s:%d", shard.Nodes[0].Endpoint, shard.Nodes[0].Port)
				owner[slot] = addr
				owned[addr]++
			}
		}
	}
	for _, addr := range addrs {
		if owned[addr] == 0 {
			return fmt.Errorf("%s owns nothing in %v", addr, owned)
		}
	}
	if len(owner) != 16384 || len(owned) != len(addrs) {
		return fmt.Errorf("%d slots owned by %v, want 16384 by %v", len(owner), owned, addrs)
	}
	return nil
}
