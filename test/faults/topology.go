package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

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

	proxies  []*redistest.Proxy  // between hubs and each of the nodes, in their order; empty for none
	sentinel *redistest.Sentinel // of that kind
	cluster  *redistest.Cluster  // of that kind
	replicas []*redistest.Server // of a cluster, in the order of its masters
}

// newTopology starts Redis. args are those of every redis-server that holds data.
func newTopology(s *stage, kind string, proxied bool, args ...string) *topology {
	t := &topology{kind: kind}
	switch kind {
	case single:
		server := redistest.Start(s, args...)
		t.nodes, t.url, t.db = []*redistest.Server{server}, server.URL(), server.Client(s)
		if proxied {
			t.proxies = []*redistest.Proxy{redistest.NewProxy(s, server.Addr())}
			t.url = t.proxies[0].URL()
		}
		return t
	case sentinel:
		t.sentinel = redistest.StartSentinelWith(s, 2, redistest.Setup{Proxied: proxied, Args: args})
		t.nodes, t.url, t.db = t.sentinel.Nodes, t.sentinel.URL(), t.sentinel.Client(s)
	case cluster:
		t.cluster, t.replicas = redistest.StartClusterWithReplicas(s, 3, redistest.Setup{Proxied: proxied, Args: args})
		t.nodes, t.url, t.db = slices.Concat(t.cluster.Nodes, t.replicas), t.cluster.URL(), t.cluster.Client(s)
	}
	for _, n := range t.nodes {
		if way := n.Proxy(); way != nil {
			t.proxies = append(t.proxies, way)
		}
	}
	return t
}

// way is the proxy before a node.
func (t *topology) way(node *redistest.Server) *redistest.Proxy {
	return t.proxies[slices.Index(t.nodes, node)]
}

// primary is the node that most faults are about: the only one, the one that takes writes,
// or the master of the first stream.
func (t *topology) primary(s testing.TB) *redistest.Server {
	switch t.kind {
	case sentinel:
		return t.sentinel.Primary(s)
	case cluster:
		return t.master(s, streams()[0])
	}
	return t.nodes[0]
}

// masters are the nodes that take writes now.
func (t *topology) masters(s testing.TB) []*redistest.Server {
	if t.kind != cluster {
		return []*redistest.Server{t.primary(s)}
	}
	list := make([]*redistest.Server, len(streams()))
	for i, stream := range streams() {
		list[i] = t.master(s, stream)
	}
	return list
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

// masterOf is the address of the cluster's node that has a stream now, "" when nobody says.
func (t *topology) masterOf(ctx context.Context, stream string) string {
	client, ok := t.db.(*redis.ClusterClient)
	if !ok {
		return ""
	}
	client.ReloadState(ctx)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	node, err := client.MasterForKey(ctx, logKey(stream))
	if err != nil {
		return ""
	}
	return node.Options().Addr
}

// master is that node.
func (t *topology) master(s testing.TB, stream string) *redistest.Server {
	addr := t.masterOf(s.Context(), stream)
	i := slices.IndexFunc(t.nodes, func(n *redistest.Server) bool { return n.Addr() == addr })
	if i < 0 {
		s.Fatalf("the master of %s is %q, which is none of ours", stream, addr)
	}
	return t.nodes[i]
}

// heir is the replica of a master: one of the two was that of the other at the start.
func (t *topology) heir(master *redistest.Server) *redistest.Server {
	if i := slices.Index(t.cluster.Nodes, master); i >= 0 {
		return t.replicas[i]
	}
	if i := slices.Index(t.replicas, master); i >= 0 {
		return t.cluster.Nodes[i]
	}
	return nil
}
