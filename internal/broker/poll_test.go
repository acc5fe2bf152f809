package broker_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

func TestADeadMasterHoldsUpNoPollOfOtherStreams(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3)
	for _, n := range c.Nodes {
		// Else Redis itself refuses all streams.
		if err := n.Client(t).ConfigSet(t.Context(), "cluster-require-full-coverage", "no").Err(); err != nil {
			t.Fatal(err)
		}
	}
	b := startBroker(t, c.URL())
	client := c.Client(t)
	// Their slots lie on three masters.
	for _, stream := range []string{"orders", "payments", "refunds"} {
		mustPublish(t, b, stream, "first", 1)
	}
	r := read(t, b, "latest", "payments")
	read(t, b, "latest", "orders")
	read(t, b, "latest", "refunds")
	nodes := map[string]*redistest.Server{}
	for _, n := range c.Nodes {
		nodes[n.Addr()] = n
	}
	home, err := client.MasterForKey(t.Context(), "hub:{payments}:log")
	if err != nil {
		t.Fatal(err)
	}
	for addr, n := range nodes {
		if addr != home.Options().Addr {
			n.Pause()
		}
	}
	// Others add events, of which no bell tells.
	direct, began := nodes[home.Options().Addr].Client(t), time.Now()
	const rounds = 3
	for range rounds {
		id, err := direct.XAdd(t.Context(), &redis.XAddArgs{Stream: "hub:{payments}:log", Values: []string{"data", "1"}}).Result()
		if err != nil {
			t.Fatal(err)
		}
		want, err := hub.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		wantIDs(t, next(t, r, 1).Events, []hub.ID{want})
	}
	// A poll comes once a second; one that waits for the dead masters takes 2.5 s for each.
	if took := time.Since(began); took > rounds*2*time.Second {
		t.Errorf("%d events were found within %s, want one within about a second", rounds, took)
	}
}
