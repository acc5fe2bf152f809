package broker

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// exec sends commands in one pipeline, and returns its error; each command has
// its own, too. go-redis leaves them without any when Redis refused the
// connection itself (a wrong password, say), and so none was sent.
func exec(pipe redis.Pipeliner, cmds []redis.Cmder) error {
	ctx := context.Background()
	_ = pipe.BatchProcess(ctx, cmds...) // only queues
	_, err := pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	for _, cmd := range cmds {
		if c, ok := cmd.(once); ok && c.Err() == nil && c.Val() == nil {
			cmd.SetErr(err)
		}
	}
	return err
}

// failed returns the commands of a batch that have an error which fits.
func failed(batch []*op, fits func(error) bool) []redis.Cmder {
	var found []redis.Cmder
	for _, o := range batch {
		for _, cmd := range o.cmds {
			if fits(cmd.Err()) {
				found = append(found, cmd)
			}
		}
	}
	return found
}

// loadScripts runs those scripts of the batch that Redis did not know (it was
// restarted, or its scripts flushed) again with their source. It had no effect
// the first time, so this is no retry of a write. again: there were some.
func loadScripts(batch []*op, pipe redis.Pipeliner) (again bool) {
	unknown := failed(batch, func(err error) bool { return hasPrefix(err, "NOSCRIPT") })
	unknown = slices.DeleteFunc(unknown, func(cmd redis.Cmder) bool { return !withSource(cmd) })
	if len(unknown) > 0 {
		_ = exec(pipe, unknown)
	}
	return len(unknown) > 0
}

// mostMoving is how long a lane waits for the keys of a slot to come together again, for
// which Redis takes a few ms while the slot moves to another master.
const mostMoving = time.Second

// tryAgain sends again what Redis has refused because the keys that it needs were, for
// the moment, on two nodes. It had no effect, so this is no retry of a write.
func tryAgain(batch []*op, pipe redis.Pipeliner) {
	for waited, wait := time.Duration(0), 5*time.Millisecond; ; wait *= 2 {
		refused := failed(batch, func(err error) bool { return hasPrefix(err, "TRYAGAIN") })
		if waited += wait; len(refused) == 0 || waited > mostMoving {
			return
		}
		time.Sleep(wait)
		for _, cmd := range refused {
			cmd.SetErr(nil)
		}
		_ = exec(pipe, refused)
		loadScripts(batch, pipe)
	}
}

// detour sends those messages of the batch whose own node is dead through other
// nodes: pub/sub reaches all of a cluster from each of them. They certainly had
// no effect the first time, so this is no retry of a write.
func (l *lane) detour(batch []*op) {
	own := l.node.Load()
	if own == nil {
		return
	}
	unsent := failed(batch, notSent)
	if len(unsent) == 0 {
		return
	}
	for _, node := range l.others(own) {
		for _, cmd := range unsent {
			cmd.SetErr(nil)
		}
		if !notSent(exec(node.Pipeline(), unsent)) {
			return
		}
	}
}
