package broker

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// lanes is one lane per shard, made when first needed.
type lanes struct {
	client redis.UniversalClient
	pinned bool // send to the shard's own node: keeps the order of keyless commands such as PUBLISH
	// Of every lane, set before the first is made: how many pipelines may be under way at
	// once, by default one, what goes out behind them, and what is waited for then.
	width   int
	behind  func(ops []*op, stream string) []*op
	confirm func(shard string) *confirmation

	mu      sync.RWMutex // protects the fields below
	byShard map[string]*lane
	closed  bool

	waiters sync.Pool // of those that wait for nothing now
	wg      sync.WaitGroup
}

func newLanes(client redis.UniversalClient, pinned bool) *lanes {
	ls := &lanes{client: client, pinned: pinned, byShard: map[string]*lane{}}
	ls.waiters.New = func() any { return &waiter{make(chan struct{}, 1), time.NewTimer(answerTimeout)} }
	return ls
}

// submit queues o for the shard of key and returns at once; an error means it
// was not queued and done will not be called.
func (ls *lanes) submit(ctx context.Context, key string, o *op) error {
	_, err := ls.send(ctx, key, o)
	return err
}

// send is submit, and names the lane; nil where it is not known.
func (ls *lanes) send(ctx context.Context, key string, o *op) (*lane, error) {
	name, node, err := shard(ctx, ls.client, key)
	if err != nil {
		return nil, unavailable(err, "finding the Redis node")
	}
	ls.mu.RLock()
	l := ls.byShard[name]
	if l == nil {
		ls.mu.RUnlock()
		l = ls.open(name)
		ls.mu.RLock()
	}
	defer ls.mu.RUnlock()
	if ls.closed {
		return nil, unavailable(redis.ErrClosed, "the hub is shutting down")
	}
	if ls.pinned && node != nil {
		l.node.Store(node)
	}
	if l.waiting.Add(int64(o.bytes)) > laneBytes {
		l.waiting.Add(-int64(o.bytes))
		return l, errOverloaded
	}
	select {
	case l.queue <- o: // never blocks: a full queue takes the other branch
		return l, nil
	default:
		l.waiting.Add(-int64(o.bytes))
		return l, errOverloaded
	}
}

func (ls *lanes) open(name string) *lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.byShard[name]; l != nil || ls.closed {
		return l
	}
	l := &lane{queue: make(chan *op, laneOps), behind: ls.behind}
	if ls.confirm != nil {
		l.confirm = ls.confirm(name)
	}
	l.others = func(but *redis.Client) []*redis.Client { return nodes(context.Background(), ls.client, but) }
	ls.byShard[name] = l
	for range max(ls.width, 1) {
		ls.wg.Go(func() { l.run(ls.pipelines(l)) })
	}
	return l
}

// pipelines gives one goroutine of a lane its pipelines: an empty one can be used again.
func (ls *lanes) pipelines(l *lane) func() redis.Pipeliner {
	var (
		pipe redis.Pipeliner
		to   *redis.Client
	)
	return func() redis.Pipeliner {
		switch node := l.node.Load(); {
		case pipe != nil && node == to:
		case node != nil:
			pipe, to = node.Pipeline(), node
		default:
			pipe = ls.client.Pipeline()
		}
		return pipe
	}
}

// do submits o and returns once Redis has answered; each command has its own
// error then. The error returned is about the whole: errAbandoned when the time
// was over before they were sent, another one when it was over after. In both
// cases the commands must not be read. o.done is called once what was sent has
// ended; what was abandoned is never sent, nor done.
func (ls *lanes) do(ctx context.Context, key string, o *op) error {
	w, _ := ls.waiters.Get().(*waiter)
	o.ended = w.ended
	if err := ls.submit(ctx, key, o); err != nil {
		ls.waiters.Put(w)
		return err
	}
	cause := w.wait(ctx)
	w.timer.Stop() // then it has nothing in its channel
	if cause == nil {
		ls.waiters.Put(w)
		return nil
	}
	// w may be told yet, so it cannot wait for another operation.
	if o.state.CompareAndSwap(opQueued, opAbandoned) {
		return errAbandoned
	}
	return cause
}

// waiter is what a caller waits with: each publish has one.
type waiter struct {
	ended chan struct{} // one slot, for one operation
	timer *time.Timer
}

// How long to wait before it is looked whether a client is still there of whom ctx does
// not tell, and then again: most have their answer by then.
const (
	firstLook = 50 * time.Millisecond
	nextLook  = 200 * time.Millisecond
)

// wait returns nil once the operation has ended, else why not to wait any longer.
func (w *waiter) wait(ctx context.Context) error {
	client, look := hub.ClientOf(ctx), answerTimeout
	if client != nil {
		look = firstLook
	}
	for waited := time.Duration(0); ; look = min(nextLook, answerTimeout-waited) {
		w.timer.Reset(look)
		select {
		case <-w.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-w.timer.C:
		}
		switch waited += look; {
		case waited >= answerTimeout:
			return context.DeadlineExceeded
		case client.Left():
			return context.Canceled
		}
	}
}

// close lets what is queued go out, and ends the lanes.
func (ls *lanes) close() {
	ls.mu.Lock()
	if !ls.closed {
		ls.closed = true
		for _, l := range ls.byShard {
			close(l.queue)
		}
	}
	ls.mu.Unlock()
	ls.wg.Wait()
}
