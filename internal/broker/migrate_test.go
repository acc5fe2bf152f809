package broker_test

import (
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

const (
	movedLog = "hub:{orders}:log"
	movedCfg = "hub:{orders}:cfg"
)

// move is the slot of the stream orders on its way from a master to another.
type move struct {
	t              *testing.T
	source, target *redis.Client
	to             *redistest.Server
	slot           int64
	heir           string // the id of the target
}

// startMove begins to move the slot, and moves no key.
func startMove(t *testing.T, c *redistest.Cluster) *move {
	t.Helper()
	from, to := c.Nodes[0], c.Nodes[1]
	if node, err := c.Client(t).MasterForKey(t.Context(), movedLog); err != nil {
		t.Fatal(err)
	} else if node.Options().Addr != from.Addr() {
		from, to = to, from
	}
	m := &move{t: t, source: from.Client(t), target: to.Client(t), to: to}
	m.slot = m.source.ClusterKeySlot(t.Context(), movedLog).Val()
	m.heir = m.do(m.target, "CLUSTER", "MYID")
	m.do(m.target, "CLUSTER", "SETSLOT", m.slot, "IMPORTING", m.do(m.source, "CLUSTER", "MYID"))
	m.do(m.source, "CLUSTER", "SETSLOT", m.slot, "MIGRATING", m.heir)
	return m
}

func (m *move) do(client *redis.Client, args ...any) string {
	m.t.Helper()
	text, err := client.Do(m.t.Context(), args...).Text()
	if err != nil {
		m.t.Fatalf("%v: %v", args, err)
	}
	return text
}

// key moves one key, which the target must not have.
func (m *move) key(key string) {
	m.t.Helper()
	host, port, err := net.SplitHostPort(m.to.Addr())
	if err != nil {
		m.t.Fatal(err)
	}
	m.do(m.source, "MIGRATE", host, port, key, 0, 5000)
}

// refused waits until a node has refused something for this reason.
func (m *move) refused(by *redis.Client, reason string) {
	m.t.Helper()
	eventually(m.t, func() string {
		if !strings.Contains(by.Info(m.t.Context(), "errorstats").Val(), "errorstat_"+reason) {
			return "Redis has refused nothing by " + reason
		}
		return ""
	})
}

// finish moves what there is yet, and gives the slot to the target.
func (m *move) finish() {
	m.t.Helper()
	for _, key := range m.source.ClusterGetKeysInSlot(m.t.Context(), int(m.slot), 100).Val() {
		m.key(key)
	}
	m.do(m.target, "CLUSTER", "SETSLOT", m.slot, "NODE", m.heir)
	m.do(m.source, "CLUSTER", "SETSLOT", m.slot, "NODE", m.heir)
}

// While the keys of a slot are on two nodes, Redis refuses what needs both.
func TestPublishOfASlotThatIsBeingMovedWaits(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 2)
	b := startBroker(t, c.URL())
	mustPublish(t, b, "orders", "before", 2)
	m := startMove(t, c)
	m.key(movedCfg)

	published := make(chan error, 1)
	go func() {
		_, err := b.Publish(t.Context(), hub.Publication{Stream: "orders", Events: []hub.Event{{Data: []byte("1")}, {Data: []byte("2")}}})
		published <- err
	}()
	m.refused(m.source, "TRYAGAIN")
	m.finish()
	if err := <-published; err != nil {
		t.Errorf("a publish while the slot moved: %v", err)
	}
	if n := m.target.XLen(t.Context(), movedLog).Val(); n != 4 {
		t.Errorf("%d events are stored, want 4", n)
	}
}
