package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// steadyLimit bounds the wait for Redis to be as it was: sentinels take 10 s to make a
// replica of a primary that comes back.
const steadyLimit = 40 * time.Second

// steady starts the servers again that are gone, and returns when each primary has its
// replicas as at the start: the next fault finds what it expects.
func (r *rig) steady() {
	clients := make([]*redis.Client, len(r.redis.nodes))
	for i, node := range r.redis.nodes {
		clients[i] = redis.NewClient(&redis.Options{Addr: node.Addr(), MaxRetries: -1, DialerRetries: 1, PoolSize: 1, ReadTimeout: time.Second})
	}
	defer func() {
		for _, db := range clients {
			_ = db.Close()
		}
	}()
	for began := time.Now(); r.ctx.Err() == nil; rest(r.ctx, 50*time.Millisecond) {
		wrong := r.redis.unsteady(r.ctx, clients)
		if wrong == nil {
			return
		}
		if time.Since(began) > steadyLimit {
			r.Fatalf("Redis is not what it was, %s after a fault: %w", steadyLimit, wrong)
		}
	}
}

// unsteady says what is not yet as it was. clients are those of its nodes.
func (t *topology) unsteady(ctx context.Context, clients []*redis.Client) error {
	for i, db := range clients {
		err := db.Ping(ctx).Err()
		if errors.Is(err, syscall.ECONNREFUSED) {
			t.nodes[i].Restart()
		} else if err != nil { // while it reads its file, too
			return fmt.Errorf("server %d: %w", i, err)
		}
	}
	primaries := 0
	for i, db := range clients {
		text, err := db.Info(ctx, "replication").Result()
		if err != nil {
			return fmt.Errorf("server %d: %w", i, err)
		}
		if strings.Contains(text, "role:master") {
			primaries++
			if online := strings.Count(text, "state=online"); online < t.followers() {
				return fmt.Errorf("server %d has %d replicas in step, want %d", i, online, t.followers())
			}
		}
		if t.kind != cluster {
			continue
		}
		if state, err := db.ClusterInfo(ctx).Result(); err != nil || !strings.Contains(state, "cluster_state:ok") {
			return fmt.Errorf("server %d does not see a whole cluster: %w", i, errors.Join(err, errors.New(state)))
		}
	}
	if want := len(clients) / (1 + t.followers()); primaries != want {
		return fmt.Errorf("%d servers are primaries, want %d", primaries, want)
	}
	return nil
}

// followers is how many replicas a primary has.
func (t *topology) followers() int {
	return map[string]int{single: 0, sentinel: 2, cluster: 1}[t.kind]
}
