package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// replicaWait is how long a replica may take to have what was written: with it a publish
// is answered within 3 s all the same.
const replicaWait = time.Second

// confirmation has a replica confirm what a lane sends, in the same exchange. Such lanes
// are apart from the others, as nothing else that goes over the connection is answered
// meanwhile. They are for publishes, each of which is one command.
type confirmation struct {
	keys      keys
	primaries *primaries
	replicas  *replicas // of the lane's own
	others    *others   // where slots move to; nil where there is no Cluster
}

// site is a node that a lane sends to.
type site struct {
	pipe     redis.Pipeliner
	replicas *replicas // of that node
	asking   bool      // it has a slot only in part, and does nothing there but behind ASKING
}

// exec sends the commands of ops, and notes on the ops when no replica has said that it
// has what they have written, or one has that may not be of those who decide.
func (c *confirmation) exec(ops []*op, cmds []redis.Cmder, pipe redis.Pipeliner) {
	if len(ops) == 0 {
		return
	}
	own := site{pipe: pipe, replicas: c.replicas}
	c.send(own, ops, cmds)
	if c.others != nil {
		c.redirect(ops, own)
	}
}

// send sends the commands of ops to one node, and judges those that it has done.
func (c *confirmation) send(to site, ops []*op, cmds []redis.Cmder) {
	began := time.Now()
	q := c.question(ops[0].stream, to.asking)
	_ = exec(to.pipe, append(cmds, q.cmds(to.asking)...))
	again := loadScripts(ops, to.pipe)
	first := slices.IndexFunc(ops, func(o *op) bool { return !o.refused() })
	if first < 0 {
		return // nothing was done
	}
	// A primary that goes on after a pause reads all that its replicas had sent before it sees
	// that one has left, and may be told meanwhile that another has what was just written.
	// By the time that it is told so again, it has seen that.
	// And the slot of the stream whose key was to be written may be the one that moves.
	if q.replicated() && to.replicas.wary(began, time.Now()) || again || elsewhere(q.write.Err()) {
		q = c.question(ops[first].stream, to.asking)
		_ = exec(to.pipe, q.cmds(to.asking))
	}
	if short := to.judge(q); short != nil {
		for _, o := range ops[first:] {
			if !o.refused() {
				o.short = short
			}
		}
	}
}

// judge says why what was written may be lost, nil for no reason.
func (s site) judge(q question) *hub.Error {
	if !q.replicated() {
		return unreplicated(q.wait.Err())
	}
	info, err := q.info.Text()
	switch {
	case isReply(err): // it may not be asked
		return nil
	case err != nil:
		return unreplicated(err)
	}
	if why := s.replicas.doubt(info); why != "" {
		return replaced(why)
	}
	return nil
}

// question goes behind what a pipeline writes.
//
// WAIT is, by its documentation, about the writes of its own connection, and so about all
// that were before them. What was stored before, under the same idempotency key, writes
// nothing: so that it is confirmed, too, there is a write of ours. (Redis 7 waits for all
// that there was in any case.) INFO comes last, as it is about who has left until then.
//
// A node that has a slot only in part must not be given a key that the other may have yet:
// that could not be moved then (BUSYKEY). So there it is written only where it is already.
type question struct{ write, wait, info once }

func (c *confirmation) question(stream string, asking bool) question {
	write := []any{"set", c.keys.confirmed(stream), 1, "px", time.Minute.Milliseconds()}
	if asking {
		write = append(write, "xx")
	}
	return question{
		write: command(write...),
		wait:  command("wait", 1, replicaWait.Milliseconds()),
		info:  command("info", "replication"),
	}
}

func (q question) cmds(asking bool) []redis.Cmder {
	if asking {
		return []redis.Cmder{command("asking"), q.write, q.wait, q.info}
	}
	return []redis.Cmder{q.write, q.wait, q.info}
}

// replicated says whether a replica has all that was written.
func (q question) replicated() bool {
	n, err := q.wait.Int64()
	return err == nil && n > 0
}

func unreplicated(cause error) *hub.Error {
	return &hub.Error{
		Code: hub.CodeUnconfirmed, RetryAfter: retryAfter, Err: cause,
		Detail: fmt.Sprintf("publishing: the primary has stored it, but no replica of Redis said within %s that it has it (durability=replicated), so a failover may lose it: "+
			"publish it again with the same idempotency key", replicaWait),
	}
}

func replaced(why string) *hub.Error {
	return &hub.Error{
		Code: hub.CodeUnconfirmed, RetryAfter: retryAfter,
		Detail: fmt.Sprintf("publishing: the primary and a replica of Redis have stored it (durability=replicated), but %s, so it may be lost: "+
			"publish it again with the same idempotency key", why),
	}
}

// replication asks a node for its part in it, by a connection of its own.
func (c redisConfig) replication(ctx context.Context, node address) (replication, error) {
	client := c.node(node)
	defer client.Close()
	text, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return replication{}, fmt.Errorf("asking %s for its replication: %w", node, err)
	}
	return readReplication(text), nil
}
