package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// watchEvery is how often the primaries are asked which replicas they have, so that it is
// known when the first event is published that one must have: with that it may be too late.
const watchEvery = time.Second

// primaries are what is known of the replicas of each. It is safe for concurrent use.
type primaries struct {
	log *slog.Logger
	ask func(ctx context.Context, node address) (replication, error)

	mu       sync.Mutex // protects the fields below
	bounds   doubtBounds
	replicas map[string]*replicas // by the name of their shard; as many as Redis has ever had
}

func newPrimaries(log *slog.Logger, ask func(ctx context.Context, node address) (replication, error)) *primaries {
	return &primaries{log: log, ask: ask, bounds: doubtBounds{replacedDoubt, silentDoubt}, replicas: map[string]*replicas{}}
}

// of is what is known of a shard's.
func (p *primaries) of(shard string) *replicas {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.replicas[shard]
	if r == nil {
		r = newReplicas(p.bounds, p.log, p.ask)
		p.replicas[shard] = r
	}
	return r
}

// watchPrimaries asks them until ctx ends.
func (b *Broker) watchPrimaries(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		b.askPrimaries(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (b *Broker) askPrimaries(ctx context.Context) {
	one := func(ctx context.Context, shard string, node redis.UniversalClient) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		began := time.Now()
		switch info, err := node.Info(ctx, "replication").Result(); {
		case err == nil:
			b.primaries.of(shard).note(info, began)
		case !isReply(err): // else it may not be asked
			b.primaries.of(shard).silent(time.Now())
		}
	}
	cluster, ok := b.store.engine.(*redis.ClusterClient)
	if !ok {
		one(ctx, "", b.store.engine)
		return
	}
	_ = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { // it fails where there is none
		one(ctx, node.Options().Addr, node)
		return nil
	})
}
