package main

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestAPauseIsAFailoverOnlyWhereAnotherHasThePlace(t *testing.T) {
	t.Parallel()
	err := onStage(t.Context(), func(s *stage) {
		r := &rig{stage: s, redis: newTopology(s, sentinel, false), haste: 1}
		old := r.redis.primary(r)
		r.keepsPlace(old)
		before := info(r.ctx, old.Client(r), "server", "run_id")
		if what, yes := r.replaced(old, before); yes {
			t.Errorf("nothing has happened, and %s", what)
		}
		watcher := redis.NewSentinelClient(&redis.Options{Addr: r.redis.sentinel.Sentinels[0].Addr()})
		defer func() { _ = watcher.Close() }()
		if err := watcher.Failover(r.ctx, "mymaster").Err(); err != nil {
			r.Fatal(err)
		}
		if r.awaitMaster(old) == "" {
			r.Fatal("there is no other primary")
		}
		for began := time.Now(); time.Since(began) < failoverLimit; r.pass(50 * time.Millisecond) {
			what, yes := r.replaced(old, before)
			if yes {
				r.keepsPlace(old)
				t.Error("a failover that was not meant is not seen")
				return
			}
			t.Log(what) // the heir may not have its role yet
		}
		t.Error("another has the place, and that is not seen")
	})
	if err == nil || !strings.HasPrefix(err.Error(), "Redis was started again too late") {
		t.Errorf("it ended with %v", err)
	}
}
