package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
	"eventhub/test/faults/history"
)

// migrate moves the slot of a stream to another master and back, as redis-cli does, while
// it is written to and read.
func migrate(r *rig) {
	stream := streams()[0]
	from := r.redis.master(r, stream)
	to := r.redis.master(r, streams()[1])
	if from == to {
		to = r.redis.master(r, streams()[2])
	}
	for _, way := range [][2]*redistest.Server{{from, to}, {to, from}} {
		r.fault(history.Fault{Name: "slot migration"}, func() string {
			moved, err := moveSlot(r, stream, way[0], way[1])
			if err != nil {
				r.Errorf("moving the slot of %s: %w", stream, err)
				return ""
			}
			if r.awaitMaster(way[0]) == "" || moved == 0 {
				return ""
			}
			return fmt.Sprintf("%d keys moved", moved)
		})
		r.pass(time.Second)
	}
}

// moveSlot moves a stream's slot, and says how many keys were in it.
func moveSlot(r *rig, stream string, from, to *redistest.Server) (moved int, err error) {
	source, target := from.Client(r), to.Client(r)
	slot, err := source.ClusterKeySlot(r.ctx, logKey(stream)).Result()
	if err != nil {
		return 0, err
	}
	names := map[*redis.Client]string{}
	for _, db := range []*redis.Client{source, target} {
		if names[db], err = db.Do(r.ctx, "CLUSTER", "MYID").Text(); err != nil {
			return 0, err
		}
	}
	if err := target.Do(r.ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", names[source]).Err(); err != nil {
		return 0, err
	}
	if err := source.Do(r.ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", names[target]).Err(); err != nil {
		return 0, err
	}
	for {
		n, err := moveKeys(r.ctx, source, int(slot), to)
		if moved += n; err != nil {
			return moved, err
		}
		if n == 0 {
			break
		}
	}
	// The target first: it must not be asked before it knows.
	for _, db := range []*redis.Client{target, source} {
		if err := db.Do(r.ctx, "CLUSTER", "SETSLOT", slot, "NODE", names[target]).Err(); err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// moveKeys moves some keys of a slot.
func moveKeys(ctx context.Context, source *redis.Client, slot int, to *redistest.Server) (int, error) {
	keys, err := source.ClusterGetKeysInSlot(ctx, slot, 10).Result()
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	host, port, err := net.SplitHostPort(to.Addr())
	if err != nil {
		return 0, err
	}
	args := []any{"MIGRATE", host, port, "", 0, 5000, "REPLACE", "KEYS"}
	for _, key := range keys {
		args = append(args, key)
	}
	return len(keys), source.Do(ctx, args...).Err()
}

// noticed is that clients notice what they are not to notice.
const noticed history.Violation = "slot migration was noticed"

// checkMigration: no publish of an event fails, or takes as long as a second, and nobody is
// told of a gap in a stream.
func checkMigration(h *history.History, v *history.Verdict) {
	for _, f := range h.Faults {
		for _, p := range h.Publishes {
			if p.Channel || p.Ended < f.Began || p.Began > f.Ended || p.Outcome == history.OK && p.Ended-p.Began < time.Second {
				continue
			}
			v.Find(noticed, "a publish to %s is %s after %s, at %s", p.Topic, p.Outcome, p.Ended-p.Began, p.Ended)
		}
	}
	for _, g := range h.Gaps {
		if g.Topic != channel {
			v.Find(noticed, "connection %d of %s was told of a gap (%s) in %s, at %s", g.Conn, h.Conns[g.Conn].Feed, g.Reason, g.Topic, g.At)
		}
	}
}
