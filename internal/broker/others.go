package broker

import (
	"context"
	"errors"
	"sync"

	"github.com/redis/go-redis/v9"
)

// othersConns is how many connections there may be to a node for what was redirected there:
// for two masters at once that give it slots.
const othersConns = 2 * publishWidth

// others are the nodes of a Cluster by name, for lanes that Redis redirects there. Their
// clients are not those of the Cluster client, which gives none away for a node that has no
// slot yet, such as one that was just added; and what waits for a replica there must not take
// the connections of what is published to that node. Its methods may be called from any
// goroutine.
type others struct {
	cluster *redis.ClusterClient
	config  redisConfig
	name    string // in CLIENT LIST

	mu      sync.Mutex               // protects the field below
	clients map[string]*redis.Client // as many as there were nodes that a slot was moved to
}

// newOthers returns nil where there is no Cluster.
func newOthers(config redisConfig, name string, client redis.UniversalClient) *others {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return nil
	}
	return &others{cluster: cluster, config: config, name: name, clients: map[string]*redis.Client{}}
}

// moved has the Cluster client look where the slots are, so that the next go there at once.
// It does not block.
func (n *others) moved() { n.cluster.ReloadState(context.Background()) }

// client is that of a node, which connects when it is used.
func (n *others) client(name string) *redis.Client {
	n.mu.Lock()
	defer n.mu.Unlock()
	client := n.clients[name]
	if client == nil {
		config := n.config
		config.addrs = []string{name}
		client = redis.NewClient(config.options(n.name, othersConns).Simple())
		n.clients[name] = client
	}
	return client
}

// close is for when no lane is left.
func (n *others) close() error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var failed error
	for _, client := range n.clients {
		failed = errors.Join(failed, client.Close())
	}
	return failed
}
