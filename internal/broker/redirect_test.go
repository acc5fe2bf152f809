package broker

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// Streams of one node share its pipelines, and the slot of only one of them moves.
func TestAPipelineIsConfirmedByTheNodesThatHaveDoneIt(t *testing.T) {
	t.Parallel()
	c, replicas := redistest.StartClusterWithReplicas(t, 2, redistest.Setup{})
	s, err := openStore(Options{RedisURL: c.URL()}, "hub-x")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	k := keys{"hub:"}
	moving, node, err := shard(t.Context(), s.publish, k.log("moving"))
	if err != nil {
		t.Fatal(err)
	}
	stays := ""
	for i := 0; stays == ""; i++ {
		stream := fmt.Sprintf("s%d", i)
		if at, _, err := shard(t.Context(), s.publish, k.log(stream)); err != nil {
			t.Fatal(err)
		} else if at == moving {
			stays = stream
		}
	}
	source, target, own := c.Nodes[0].Client(t), c.Nodes[1].Client(t), replicas[0]
	if c.Nodes[1].Addr() == moving {
		source, target, own = target, source, replicas[1]
	}
	slot := source.ClusterKeySlot(t.Context(), k.log("moving")).Val()
	for _, way := range []struct {
		node, other *redis.Client
		what        string
	}{{target, source, "IMPORTING"}, {source, target, "MIGRATING"}} {
		id := way.other.Do(t.Context(), "CLUSTER", "MYID").Val()
		if err := way.node.Do(t.Context(), "CLUSTER", "SETSLOT", slot, way.what, id).Err(); err != nil {
			t.Fatal(err)
		}
	}

	p := newPrimaries(slog.New(slog.DiscardHandler), s.config.replication)
	confirm := &confirmation{k, p, p.of(moving), s.others}
	send := func() (moved, stayed *op) {
		var ops []*op
		var cmds []redis.Cmder
		for _, stream := range []string{"moving", stays, "moving"} {
			cmd := command("xadd", k.log(stream), "*", "data", "1")
			ops, cmds = append(ops, &op{cmds: []redis.Cmder{cmd}, stream: stream}), append(cmds, cmd)
		}
		confirm.exec(ops, cmds, node.Pipeline())
		for _, o := range ops {
			if err := o.cmds[0].Err(); err != nil {
				t.Fatalf("%s: %v", o.stream, err)
			}
		}
		return ops[2], ops[1]
	}
	send()
	source.Del(t.Context(), k.confirmed(stays)) // the first is asked about twice, as nothing is known of the primary
	if moved, stayed := send(); moved.short != nil || stayed.short != nil {
		t.Errorf("each has its replica, and %v and %v are said", moved.short, stayed.short)
	}
	// By its documentation WAIT is about what its own connection has written.
	if n := source.Exists(t.Context(), k.confirmed(stays)).Val(); n != 1 {
		t.Errorf("the node that keeps its slot was asked for a replica without a write")
	}
	own.Pause()
	if moved, stayed := send(); moved.short != nil || stayed.short == nil {
		t.Errorf("only what has stayed is without a replica, and %v and %v are said", moved.short, stayed.short)
	}
}
