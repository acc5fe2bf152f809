package broker

import (
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// replicaWait is how long a replica may take to have what was written: with it a publish
// is answered within 3 s all the same.
const replicaWait = time.Second

// confirmation has a replica confirm what a lane sends, in the same exchange. Such lanes
// are apart from the others, as nothing else that goes over the connection is answered
// meanwhile.
type confirmation struct{ keys keys }

// exec sends the commands of ops, and notes on the ops when no replica has said that it
// has what they have written.
//
// WAIT is, by its documentation, about the writes of its own connection, and so about all
// that were before them. What was stored before, under the same idempotency key, writes
// nothing: so that it is confirmed, too, there is a write of ours. (Redis 7 waits for all
// that there was in any case.)
func (c *confirmation) exec(ops []*op, cmds []redis.Cmder, pipe redis.Pipeliner) {
	if len(ops) == 0 {
		return
	}
	confirm := func() (replicas *redis.Cmd, all []redis.Cmder) {
		write := command("set", c.keys.confirmed(ops[0].stream), 1, "px", time.Minute.Milliseconds())
		wait := command("wait", 1, replicaWait.Milliseconds())
		return wait.Cmd, []redis.Cmder{write, wait}
	}
	replicas, own := confirm()
	_ = exec(pipe, append(cmds, own...))
	if loadScripts(ops, pipe) {
		replicas, own = confirm()
		_ = exec(pipe, own)
	}
	if n, err := replicas.Int64(); err != nil || n == 0 {
		short := unreplicated(err)
		for _, o := range ops {
			o.short = short
		}
	}
}

func unreplicated(cause error) *hub.Error {
	return &hub.Error{
		Code: hub.CodeUnconfirmed, RetryAfter: retryAfter, Err: cause,
		Detail: fmt.Sprintf("publishing: the primary has stored it, but no replica of Redis said within %s that it has it (durability=replicated), so a failover may lose it: "+
			"publish it again with the same idempotency key", replicaWait),
	}
}
