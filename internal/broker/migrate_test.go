package broker_test

import (
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// While the keys of a slot are on two nodes, Redis refuses what needs both.
func TestPublishOfASlotThatIsBeingMovedWaits(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2)
	b := startBroker(t, c.URL())
	mustPublish(t, b, "orders", "before", 2)
	const log, cfg = "hub:{orders}:log", "hub:{orders}:cfg"
	from, to := c.Nodes[0], c.Nodes[1]
	if node, err := c.Client(t).MasterForKey(t.Context(), log); err != nil {
		t.Fatal(err)
	} else if node.Options().Addr != from.Addr() {
		from, to = to, from
	}
	source, target := from.Client(t), to.Client(t)
	slot := source.ClusterKeySlot(t.Context(), log).Val()
	host, port, err := net.SplitHostPort(to.Addr())
	if err != nil {
		t.Fatal(err)
	}
	do := func(client *redis.Client, args ...any) string {
		t.Helper()
		text, err := client.Do(t.Context(), args...).Text()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return text
	}
	old, heir := do(source, "CLUSTER", "MYID"), do(target, "CLUSTER", "MYID")
	do(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", old)
	do(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", heir)
	do(source, "MIGRATE", host, port, cfg, 0, 5000)

	published := make(chan error, 1)
	go func() {
		_, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{{Data: []byte("1")}, {Data: []byte("2")}}})
		published <- err
	}()
	eventually(t, func() string {
		if !strings.Contains(source.Info(t.Context(), "errorstats").Val(), "errorstat_TRYAGAIN") {
			return "Redis has refused nothing"
		}
		return ""
	})
	for _, key := range source.ClusterGetKeysInSlot(t.Context(), int(slot), 100).Val() {
		do(source, "MIGRATE", host, port, key, 0, 5000)
	}
	do(target, "CLUSTER", "SETSLOT", slot, "NODE", heir)
	do(source, "CLUSTER", "SETSLOT", slot, "NODE", heir)
	if err := <-published; err != nil {
		t.Errorf("a publish while the slot moved: %v", err)
	}
	if n := target.XLen(t.Context(), log).Val(); n != 4 {
		t.Errorf("%d events are stored, want 4", n)
	}
}
