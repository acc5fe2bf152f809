package broker_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// world is where the model is played: hubs, each with its own way to one Redis,
// and their consumers. One goroutine throws the dice; what may take long runs
// beside it.
type world struct {
	*history
	t      *testing.T
	rng    *rand.Rand // not for calls
	server *redistest.Server
	prefix string
	sink   modelSink

	nodes   []*node   // that live
	members []*member // that are open; protected by mu
	hubs    int       // ever
	names   int       // of members, ever; protected by mu
	sent    int       // events, ever
	calls   sync.WaitGroup
}

const (
	modelSinkName = "billing"
	modelType     = "t"
	modelSteps    = 200
	modelNodes    = 3 // most at a time
	modelMembers  = 5 // most at a time, about
)

// run plays the steps of a seed, then ends all hubs.
func (w *world) run() {
	first := w.startNode()
	w.must("making the sink", func(ctx context.Context) error {
		_, _, _, err := first.broker.PutSink(ctx, modelSinkName, hub.SinkPut{Settings: w.sink.settings, Streams: w.sink.streams})
		return err
	})
	w.attach()
	steps := w.steps()
	for range modelSteps {
		w.step(steps)
		switch dice := w.rng.IntN(60); {
		case dice == 0:
			w.pass(time.Duration(20+w.rng.IntN(130)) * time.Millisecond)
		case dice < 30:
			w.pass(time.Duration(w.rng.IntN(3000)) * time.Microsecond)
		}
	}
	for len(w.nodes) > 0 {
		w.stopNode(w.nodes[0], w.rng.IntN(2) == 0)
	}
	w.calls.Wait()
}

// must has something done that does not belong to the dice, however slow the
// machine is.
func (w *world) must(what string, do func(ctx context.Context) error) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		err := do(w.t.Context())
		if err == nil {
			return
		}
		if c := code(err); c != hub.CodeUnavailable && c != hub.CodeUnconfirmed || time.Now().After(deadline) {
			w.t.Fatalf("%s: %v", what, err)
		}
	}
}

// pass lets time pass, as the clients of the model take some.
func (w *world) pass(d time.Duration) { <-time.After(d) }

// step is something that happens, so and so often.
type step struct {
	weight int
	do     func()
}

// steps are those of this seed: each has more of some and less of others.
func (w *world) steps() []step {
	steps := []step{
		{15, w.publish},
		{30, w.take},
		{20, w.settle},
		{10, w.settleByREST},
		{4, w.pull},
		{5, w.attach},
		{4, w.detach},
		{2, w.pause},
		{2, w.list},
		{2, func() { w.startNode() }},
		{1, w.stop},
		{3, w.disturb},
		{1, w.lose},
	}
	for i := range steps {
		steps[i].weight *= 1 + w.rng.IntN(5)
	}
	return steps
}

func (w *world) step(steps []step) {
	if len(w.nodes) == 0 {
		w.startNode()
	}
	sum := 0
	for _, s := range steps {
		sum += s.weight
	}
	dice := w.rng.IntN(sum)
	for _, s := range steps {
		if dice -= s.weight; dice < 0 {
			s.do()
			return
		}
	}
}

func (w *world) broker(url string) *broker.Broker {
	b, err := broker.New(broker.Options{RedisURL: url, Prefix: w.prefix})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) node() *node { return w.nodes[w.rng.IntN(len(w.nodes))] }

func (w *world) stream() string { return w.sink.streams[w.rng.IntN(len(w.sink.streams))] }

// call does something on a hub, beside the dice.
func (w *world) call(n *node, do func(ctx context.Context)) {
	n.using.Add(1)
	w.calls.Go(func() {
		defer n.using.Done()
		do(w.t.Context())
	})
}
