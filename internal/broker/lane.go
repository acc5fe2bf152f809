package broker

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Bounds of a lane. A full queue is an answer (503), not a growing heap.
const (
	laneOps   = 4096     // waiting operations
	laneBytes = 64 << 20 // bytes of them
	batchCmds = 1024     // commands of one pipeline
	// batchBytes keeps one pipeline within callTimeout even on a slow network.
	batchBytes = 4 << 20
	batchReply = 16 << 20

	// answerTimeout bounds what a caller waits for in all, queue and exchange:
	// with Redis gone, requests are answered within 3 s.
	answerTimeout = 2500 * time.Millisecond
)

var (
	errOverloaded = &hub.Error{
		Code: hub.CodeUnavailable, RetryAfter: retryAfter,
		Detail: "too much is waiting for Redis; nothing was done",
	}
	// errAbandoned: the caller's time was over before the operation was sent.
	errAbandoned = errors.New("not sent within the time limit")
)

// op is what one caller wants done in one shard: commands that go out together
// and in order.
type op struct {
	cmds   []redis.Cmder
	bytes  int    // roughly, on the wire
	reply  int    // roughly, of the answer, where that is large
	stream string // that it may add events to, "" for none
	// Called by the lane, where they are set; they must not block.
	begin  func() // right before the commands are sent
	unsent func() // when certainly none of them was, those of later ops first
	done   func() // once, after the commands have their results
	known  func() // before any done of the same pipeline; of what goes out behind others only

	// short is why the op's writes may yet be lost, set before done by a lane that waits
	// for a replica to have them.
	short *hub.Error

	ended chan<- struct{} // one slot, filled behind done; set by lanes.do

	state atomic.Uint32 // opQueued, then opSent by the lane or opAbandoned by the caller
}

const (
	opQueued uint32 = iota
	opSent
	opAbandoned
)

// claim makes an operation its lane's to send, unless it was abandoned.
func (o *op) claim() bool { return o.state.CompareAndSwap(opQueued, opSent) }

// end tells who waits.
func (o *op) end() {
	if o.done != nil {
		o.done()
	}
	if o.ended != nil {
		o.ended <- struct{}{}
	}
}

// fail gives every command of the op the same error.
func (o *op) fail(err error) {
	for _, cmd := range o.cmds {
		cmd.SetErr(err)
	}
}

// none says whether certainly no command of the op was sent.
func (o *op) none() bool {
	for _, cmd := range o.cmds {
		if !notSent(cmd.Err()) {
			return false
		}
	}
	return true
}

// answered says whether Redis has answered any command of the op.
func (o *op) answered() bool {
	return slices.ContainsFunc(o.cmds, func(cmd redis.Cmder) bool { return cmd.Err() == nil || isReply(cmd.Err()) })
}

// lane is group commit: whatever comes while a pipeline is under way goes out
// in the next one. There is no timer, so an idle lane adds no latency, and a
// busy one sends few, large pipelines. Order is kept where one goroutine runs it;
// with a second, the hub gathers and answers while Redis works.
type lane struct {
	others func(but *redis.Client) []*redis.Client // set by lanes.open; called by run
	// behind adds to ops what is to go out behind those that add to a stream, and
	// does not block. Set by lanes.open, nil for none; called by run.
	behind  func(ops []*op, stream string) []*op
	confirm *confirmation // of what is sent; set by lanes.open, nil for none
	queue   chan *op
	waiting atomic.Int64 // bytes in queue
	since   atomic.Int64 // when the first pipeline went out of those since the last answer, in ns of the epoch; 0: none
	quiet   quietness
	turn    sync.Mutex                   // held by who takes from queue: protects next and crowded
	crowded bool                         // the last batch had more than one
	next    *op                          // taken from the queue, but too much for the last batch
	node    atomic.Pointer[redis.Client] // where to, for lanes that choose the node themselves
}

// run does what is queued until the lane is closed, by the pipelines that it is given.
func (l *lane) run(pipeline func() redis.Pipeliner) {
	var batch []*op
	for {
		if batch = l.take(batch[:0]); len(batch) == 0 {
			return
		}
		l.commit(batch, pipeline())
		clear(batch)
	}
}

// take waits for operations, and returns those of the next pipeline; none once the
// lane is closed.
func (l *lane) take(batch []*op) []*op {
	l.turn.Lock()
	defer l.turn.Unlock()
	o := l.next
	if o == nil {
		var ok bool
		if o, ok = <-l.queue; !ok {
			return nil
		}
		// Callers that the last pipeline released are about to come back: let
		// them, or on one core batches shrink to one (28k/s against 63k/s). One alone is
		// not to wait, as this also wakes another thread, in the way of Redis.
		if l.crowded {
			runtime.Gosched()
			runtime.Gosched()
		}
	}
	batch, l.next = l.gather(batch, o)
	l.crowded = len(batch) > 1
	return batch
}

// gather takes what waits behind first, up to the bounds of a pipeline.
func (l *lane) gather(batch []*op, first *op) (full []*op, next *op) {
	batch = append(batch, first)
	cmds, bytes, reply := len(first.cmds), first.bytes, first.reply
	for {
		select {
		case o, ok := <-l.queue:
			if !ok {
				return batch, nil
			}
			if cmds+len(o.cmds) > batchCmds || bytes+o.bytes > batchBytes || reply+o.reply > batchReply {
				return batch, o
			}
			batch = append(batch, o)
			cmds, bytes, reply = cmds+len(o.cmds), bytes+o.bytes, reply+o.reply
		default:
			return batch, nil
		}
	}
}

// commit sends a batch, and what goes out behind it.
func (l *lane) commit(batch []*op, pipe redis.Pipeliner) {
	sent := batch[:0]
	for _, o := range batch {
		l.waiting.Add(-int64(o.bytes))
		if o.claim() {
			sent = append(sent, o)
		}
	}
	sent, behind := l.follow(sent)
	cmds := make([]redis.Cmder, 0, len(sent))
	for _, o := range sent {
		if o.begin != nil {
			o.begin()
		}
		cmds = append(cmds, o.cmds...)
	}
	if len(cmds) > 0 { // what nobody waits for any more is not asked
		l.since.CompareAndSwap(0, time.Now().UnixNano())
	}
	if l.confirm != nil {
		l.confirm.exec(sent, cmds, pipe)
	} else {
		_ = exec(pipe, cmds)
		loadScripts(sent, pipe)
		l.detour(sent)
		tryAgain(sent, pipe)
	}
	if slices.ContainsFunc(sent, (*op).answered) {
		l.since.Store(0)
	}
	for _, o := range slices.Backward(sent) {
		if o.unsent != nil && o.none() {
			o.unsent()
		}
	}
	for _, o := range sent[behind:] {
		o.known()
	}
	for _, o := range sent {
		o.end()
	}
	clear(sent)
}

// follow adds what is to go out behind a batch, from a place on.
func (l *lane) follow(batch []*op) (all []*op, from int) {
	from = len(batch)
	if l.behind == nil {
		return batch, from
	}
	var more []*op
	stream := ""
	for _, o := range batch {
		if o.stream != stream && o.stream != "" { // mostly there is one
			stream = o.stream
			more = l.behind(more, stream)
		}
	}
	for _, o := range more {
		if o.claim() {
			batch = append(batch, o)
		}
	}
	return batch, from
}
