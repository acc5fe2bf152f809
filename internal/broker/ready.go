package broker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Ready says why this hub cannot publish and deliver right now, or nil, and how long
// ago the live path was last proven to work; negative: never.
func (b *Broker) Ready(ctx context.Context) (probeAge time.Duration, err error) {
	err = b.ready(ctx)
	return b.probes.age(), err
}

func (b *Broker) ready(ctx context.Context) error {
	// By the pools that publishing and delivering use: after an outage they do not
	// recover at the same moment.
	for _, lanes := range []*lanes{b.publishing, b.working} {
		if err := b.answered(ctx, lanes); err != nil {
			return readFailure(err, "asking Redis")
		}
	}
	if !b.declared.Load() {
		return &hub.Error{Code: hub.CodeUnavailable, Detail: "the declared streams (HUB_STREAMS) are not all made yet"}
	}
	if !b.probes.working() {
		return &hub.Error{Code: hub.CodeUnavailable, Detail: "the live path is silent: no probe came back over pub/sub for " + probeSilence.String()}
	}
	return nil
}

// answered returns nil once a node of Redis has answered. On Cluster any will do:
// one that is dead must not take every hub out of service.
func (b *Broker) answered(ctx context.Context, lanes *lanes) (err error) {
	asked := map[string]bool{}
	for i := range 32 { // keys enough to meet some nodes
		key := b.keys.ready(i)
		name, _, unknown := shard(ctx, lanes.client, key)
		if unknown != nil {
			return unavailable(unknown, "finding the Redis node")
		}
		if asked[name] {
			continue
		}
		asked[name] = true
		cmd := command("exists", key)
		if err = lanes.do(ctx, key, &op{cmds: []redis.Cmder{cmd}}); err == nil {
			err = cmd.Err()
		}
		if err == nil || ended(ctx) {
			return err
		}
	}
	return err
}
