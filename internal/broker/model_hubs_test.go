package broker_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/redistest"
)

// node is one hub.
type node struct {
	name   string
	broker *broker.Broker
	faulty faulty
	using  sync.WaitGroup // calls under way
	gone   bool           // protected by history.mu
}

// faulty is a hub's way to Redis, whose end need not be the test's.
type faulty struct {
	testing.TB
	*redistest.Proxy
	ends []func()
}

func (f *faulty) Cleanup(end func()) { f.ends = append(f.ends, end) }

// crash cuts the hub off for good, as the end of its process would.
func (f *faulty) crash() {
	for _, end := range f.ends {
		end()
	}
	f.ends = nil
}

// startNode starts a hub, unless there are enough.
func (w *world) startNode() *node {
	if len(w.nodes) >= modelNodes {
		return w.node()
	}
	w.hubs++
	n := &node{name: fmt.Sprintf("hub-%d", w.hubs), faulty: faulty{TB: w.t}}
	n.faulty.Proxy = redistest.NewProxy(&n.faulty, w.server.Addr())
	n.broker = w.broker(n.faulty.URL())
	w.say("%s starts", n.name)
	w.nodes = append(w.nodes, n)
	return n
}

func (w *world) stop() { w.stopNode(w.node(), w.rng.IntN(3) == 0) }

// stopNode ends a hub: in good order, or by a crash.
func (w *world) stopNode(n *node, crash bool) {
	var left []*member
	w.mu.Lock()
	n.gone = true
	w.members = slices.DeleteFunc(w.members, func(m *member) bool {
		if m.node == n {
			left = append(left, m)
		}
		return m.node == n
	})
	if crash {
		w.line("%s crashes", n.name)
	} else {
		w.line("%s stops", n.name)
	}
	w.mu.Unlock()
	w.nodes = slices.DeleteFunc(w.nodes, func(o *node) bool { return o == n })
	if crash {
		n.faulty.crash()
	}
	w.calls.Go(func() {
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		defer cancel()
		for _, m := range left {
			m.consumer.Close(ctx, true)
		}
		n.using.Wait()
		if err := n.broker.Close(ctx); err != nil {
			w.t.Errorf("closing %s: %v", n.name, err)
		}
		n.faulty.crash()
		w.say("%s has ended", n.name)
	})
}

// disturb disturbs a hub's connections to Redis.
func (w *world) disturb() {
	n := w.node()
	switch w.rng.IntN(3) {
	case 0:
		w.say("%s is cut off", n.name)
		n.faulty.CutAll()
	case 1:
		w.say("%s gets no answer", n.name)
		n.faulty.DropReplies(1 + w.rng.IntN(2))
	default:
		d := time.Duration(20+w.rng.IntN(300)) * time.Millisecond
		w.say("%s is in a black hole for %s", n.name, d)
		n.faulty.Blackhole()
		w.call(n, func(context.Context) {
			w.pass(d)
			n.faulty.Restore()
		})
	}
}

// lose destroys the sink's group on a stream.
func (w *world) lose() {
	if !w.sink.loses {
		return
	}
	stream := w.stream()
	w.mu.Lock()
	w.lost = true
	w.line("the group on %s is destroyed", stream)
	w.mu.Unlock()
	if err := w.server.Client(w.t).XGroupDestroy(w.t.Context(), w.prefix+"{"+stream+"}:log", modelSinkName).Err(); err != nil {
		w.t.Error(err)
	}
}
