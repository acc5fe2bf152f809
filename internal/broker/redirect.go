package broker

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of the waits between two rounds of what was redirected. There is none before the
// first: mostly another node has the whole slot already.
const (
	leastRedirectWait = 5 * time.Millisecond
	mostRedirectWait  = 50 * time.Millisecond
)

// redirect sends again what was refused because a slot moves, or has moved, to another node,
// to where Redis says, and has it confirmed there. It had no effect, so this is no retry of a
// write. After mostMoving what is refused still remains so.
func (c *confirmation) redirect(ops []*op, own site) {
	began := time.Now()
	for wait := time.Duration(0); ; wait = min(max(2*wait, leastRedirectWait), mostRedirectWait) {
		refused := bySite(ops)
		if len(refused) == 0 || time.Since(began)+wait > mostMoving {
			return
		}
		time.Sleep(wait)
		for at, ops := range refused {
			to := own
			if at.node != "" {
				to = c.site(at)
			}
			c.send(to, ops, again(ops, at.asking))
		}
	}
}

// site is the node that a refusal names.
func (c *confirmation) site(at refusal) site {
	if !at.asking {
		c.others.moved()
	}
	return site{pipe: c.others.client(at.node).Pipeline(), replicas: c.primaries.of(at.node), asking: at.asking}
}

// refusal is where what was refused is to be sent again.
type refusal struct {
	node   string // by the name of its shard; "" for the lane's own
	asking bool
}

// refusalOf reads an error of Redis; ok is false when it is not about a slot that moves.
func refusalOf(err error) (at refusal, ok bool) {
	if !isReply(err) {
		return refusal{}, false
	}
	if node, ok := redis.IsMovedError(err); ok {
		return refusal{node: node}, true
	}
	if node, ok := redis.IsAskError(err); ok {
		return refusal{node: node, asking: true}, true
	}
	// The keys of one command are on two nodes. Which has them all, and when, is for the one
	// to say that has had the slot.
	return refusal{}, hasPrefix(err, "TRYAGAIN")
}

// elsewhere says whether Redis has refused a command because its slot moves or has moved.
func elsewhere(err error) bool {
	_, ok := refusalOf(err)
	return ok
}

// refused says whether that is so of the op, a publish.
func (o *op) refused() bool { return elsewhere(o.cmds[0].Err()) }

// bySite are those of the ops that were refused.
func bySite(ops []*op) map[refusal][]*op {
	var refused map[refusal][]*op
	for _, o := range ops {
		if at, ok := refusalOf(o.cmds[0].Err()); ok {
			if refused == nil {
				refused = map[refusal][]*op{}
			}
			refused[at] = append(refused[at], o)
		}
	}
	return refused
}

// again are the commands of ops to be sent once more. Scripts have their source with them:
// another node may not know them.
func again(ops []*op, asking bool) []redis.Cmder {
	var cmds []redis.Cmder
	for _, o := range ops {
		for _, cmd := range o.cmds {
			if !withSource(cmd) {
				cmd.SetErr(nil)
			}
			if asking { // for each command
				cmds = append(cmds, command("asking"))
			}
			cmds = append(cmds, cmd)
		}
	}
	return cmds
}
