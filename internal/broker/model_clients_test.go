package broker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"eventhub/internal/hub"
)

// What the clients of the model do, each step as the dice want it.

func (w *world) publish() {
	n, stream := w.node(), w.stream()
	events, facts := make([]hub.Event, 1+max(0, w.rng.IntN(8)-3)), []*fact(nil)
	names := make([]string, len(events))
	w.mu.Lock()
	for i := range events {
		w.sent++
		f := &fact{stream: stream, topic: []string{"a", "b"}[w.rng.IntN(2)], data: fmt.Sprintf(`"e%d"`, w.sent)}
		w.facts[f.data], facts = f, append(facts, f)
		events[i] = hub.Event{Type: modelType, Topic: f.topic, Data: []byte(f.data)}
		names[i] = f.topic + " " + f.data
	}
	began := w.line("%s publishes to %s: %s", n.name, stream, strings.Join(names, ", "))
	w.mu.Unlock()
	w.call(n, func(ctx context.Context) {
		ids, err := publish(ctx, n.broker, stream, events)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.line("  line %d: ids %v, %v", began, ids, err)
		for i, f := range facts {
			f.refused = code(err) == hub.CodeUnavailable
			if err != nil {
				continue
			}
			if f.id != (hub.ID{}) && f.id != ids[i] {
				w.fault("%s was delivered as %s", f.data, f.id)
			}
			f.id, f.stored = ids[i], true
		}
	})
}

// attach adds a consumer, unless there are enough.
func (w *world) attach() {
	n, streams := w.node(), w.sink.streams
	if len(streams) > 1 && w.rng.IntN(4) == 0 {
		streams = []string{w.stream()}
	}
	spec := hub.ConsumerSpec{
		Sink: modelSinkName, Streams: streams, Prefetch: []int{0, 1, 3, 10, 100}[w.rng.IntN(5)],
	}
	if w.rng.IntN(4) == 0 {
		spec.Batch, spec.MaxLatency = 1+w.rng.IntN(3), time.Duration(1+w.rng.IntN(30))*time.Millisecond
	}
	w.mu.Lock()
	full := len(w.members) >= modelMembers
	m := w.member(n, "consumer")
	m.prefetch = spec.Prefetch
	w.mu.Unlock()
	if full {
		return
	}
	spec.Label = m.name
	w.call(n, func(ctx context.Context) {
		c, err := n.broker.Consume(ctx, spec)
		if err != nil {
			w.failed(m.name, err)
			return
		}
		m.consumer = c
		w.mu.Lock()
		w.line("%s is attached to %v, prefetch %d, batch %d", m.name, streams, spec.Prefetch, spec.Batch)
		late := n.gone
		if !late {
			w.members = append(w.members, m)
		}
		w.mu.Unlock()
		if late {
			c.Close(ctx, true)
		}
	})
}

// member begins the life of a consumer. Callers hold mu.
func (w *world) member(n *node, kind string) *member {
	w.names++
	return &member{name: fmt.Sprintf("%s.%s-%d", n.name, kind, w.names), node: n, born: len(w.lines)}
}

// failed notes that a call failed, which it may for lack of Redis only.
func (w *world) failed(who string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line("%s fails: %v", who, err)
	if c := code(err); c != hub.CodeUnavailable && c != hub.CodeUnconfirmed {
		w.fault("this is no lack of Redis")
	}
}

// some picks an open consumer; nil when there is none.
func (w *world) some() *member {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.members) == 0 {
		return nil
	}
	return w.members[w.rng.IntN(len(w.members))]
}

// take has some of the consumers take what has come for them.
func (w *world) take() {
	w.mu.Lock()
	members := slices.Clone(w.members)
	w.mu.Unlock()
	for _, i := range w.rng.Perm(len(members)) {
		m := members[i]
		if w.rng.IntN(3) == 0 {
			continue
		}
		if m.prefetch == 0 && w.rng.IntN(3) == 0 {
			_ = m.consumer.Credit(1 + w.rng.IntN(5))
		}
		w.history.take(m)
	}
}

func (w *world) pause() {
	m := w.some()
	if m == nil {
		return
	}
	m.consumer.Pause(func() { w.say("%s is paused", m.name) })
	w.calls.Go(func() {
		w.pass(20 * time.Millisecond)
		m.consumer.Resume()
	})
}

// detach closes a consumer.
func (w *world) detach() {
	m := w.some()
	if m == nil {
		return
	}
	drain := w.rng.IntN(3) == 0
	w.mu.Lock()
	w.members = slices.DeleteFunc(w.members, func(o *member) bool { return o == m })
	w.line("%s closes, drain %t", m.name, drain)
	w.mu.Unlock()
	w.call(m.node, func(ctx context.Context) {
		m.consumer.Close(ctx, drain)
		w.say("%s has closed", m.name)
	})
}

// pull has a worker pull, which settles by REST what it got, or loses it.
func (w *world) pull() {
	n, most, wait := w.node(), 1+w.rng.IntN(5), time.Duration(w.rng.IntN(50))*time.Millisecond
	back := w.rng.IntN(6) == 0
	w.mu.Lock()
	m := w.member(n, "pull")
	w.line("%s begins, max %d, wait %s", m.name, most, wait)
	w.mu.Unlock()
	w.call(n, func(ctx context.Context) {
		events, giveBack, err := n.broker.Pull(ctx, hub.ConsumerSpec{Sink: modelSinkName}, most, wait)
		if err != nil {
			w.failed(m.name, err)
			return
		}
		w.mu.Lock()
		w.delivered(m, events)
		if len(events) > most {
			w.fault("%d are too many", len(events))
		}
		w.line("%s ends, gives back %t", m.name, back)
		w.mu.Unlock()
		if back {
			giveBack()
		}
	})
}

// list asks what the sink owes.
func (w *world) list() {
	n := w.node()
	began := w.say("%s lists what is pending", n.name)
	w.call(n, func(ctx context.Context) {
		list, err := n.broker.Pending(ctx, modelSinkName, 1000)
		if err != nil {
			w.failed(n.name, err)
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.owed = append(w.owed, listing{began, w.line("  line %d: %d events", began, len(list)), list})
	})
}
