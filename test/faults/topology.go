package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// The kinds of Redis that scenarios run on.
const (
	single   = "single"
	sentinel = "sentinel" // a primary with two replicas, and three sentinels
	cluster  = "cluster"  // three masters, each with a replica
)

// topology is the Redis of a scenario.
type topology struct {
	kind  string
	url   string // for the hubs
	nodes []*redistest.Server
	// db is for looking at what Redis has, without a proxy between. It repeats nothing on a
	// single Redis and Sentinel.
	db redis.UniversalClient

	proxy    *redistest.Proxy    // between hubs and Redis, nil for none; of single only
	sentinel *redistest.Sentinel // of that kind
	cluster  *redistest.Cluster  // of that kind
	replicas []*redistest.Server // of a cluster, in the order of its masters
}

// newTopology starts Redis. args are those of a single redis-server.
func newTopology(s *stage, kind string, proxied bool, args ...string) *topology {
	t := &topology{kind: kind}
	switch kind {
	case single:
		server := redistest.Start(s, args...)
		t.nodes, t.url, t.db = []*redistest.Server{server}, server.URL(), server.Client(s)
		if proxied {
			t.proxy = redistest.NewProxy(s, server.Addr())
			t.url = t.proxy.URL()
		}
	case sentinel:
		t.sentinel = redistest.StartSentinelWith(s, 2)
		t.nodes, t.url = t.sentinel.Nodes, t.sentinel.URL()
		addrs := make([]string, len(t.sentinel.Sentinels))
		for i, one := range t.sentinel.Sentinels {
			addrs[i] = one.Addr()
		}
		db := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "mymaster", SentinelAddrs: addrs, MaxRetries: -1})
		s.Cleanup(func() { _ = db.Close() })
		t.db = db
	case cluster:
		t.cluster, t.replicas = redistest.StartClusterWithReplicas(s, 3)
		t.nodes, t.url, t.db = slices.Concat(t.cluster.Nodes, t.replicas), t.cluster.URL(), t.cluster.Client(s)
	}
	return t
}

// info reads one field of a server's INFO.
func info(ctx context.Context, db redis.UniversalClient, section, field string) string {
	text, err := db.Info(ctx, section).Result()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// logKey is where a stream is.
func logKey(stream string) string { return "hub:{" + stream + "}:log" }

// master is the place of the cluster's node that has a stream now.
func (t *topology) master(s *stage, stream string) *redistest.Server {
	client, ok := t.db.(*redis.ClusterClient)
	if !ok {
		s.Fatal("this is no cluster")
	}
	client.ReloadState(s.ctx)
	node, err := client.MasterForKey(s.ctx, logKey(stream))
	if err != nil {
		s.Fatalf("finding the master of %s: %w", stream, err)
	}
	for _, server := range t.nodes {
		if server.Addr() == node.Options().Addr {
			return server
		}
	}
	s.Fatal(fmt.Sprintf("%s has %s, which is none of ours", node.Options().Addr, stream))
	return nil
}
