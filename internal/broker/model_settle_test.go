package broker_test

import (
	"context"
	"slices"
	"time"

	"eventhub/internal/hub"
)

// nobodysMS begins the ids of events that there never were.
const nobodysMS = 1

// settle has a consumer settle some of what it holds, or what it does not.
func (w *world) settle() {
	m := w.some()
	for range 3 { // rather one that holds something
		if m != nil && len(m.held) == 0 {
			m = w.some()
		}
	}
	if m == nil {
		return
	}
	w.mu.Lock()
	from := m.held
	if w.rng.IntN(8) == 0 {
		from = w.sights
	}
	s := w.settlement(from)
	m.held = slices.DeleteFunc(m.held, func(h sighting) bool { return settles(s, h.fact) })
	w.mu.Unlock()
	if len(from) > 0 || w.rng.IntN(20) == 0 {
		w.settleBy(m, s)
	}
}

func (w *world) settleBy(m *member, s hub.Settlement) {
	a := w.begin(m, m.name, s)
	if err := m.consumer.Settle(s, func(result hub.Settled, err error) { w.end(a, result, err) }); err != nil {
		w.end(a, hub.Settled{}, err)
	}
}

// settleByREST settles on any hub what was delivered by any.
func (w *world) settleByREST() {
	n := w.node()
	w.mu.Lock()
	recent := w.sights[max(0, len(w.sights)-30):]
	s := w.settlement(recent)
	w.mu.Unlock()
	if len(recent) == 0 {
		return
	}
	a := w.begin(nil, n.name, s)
	w.call(n, func(ctx context.Context) {
		result, err := n.broker.Settle(ctx, modelSinkName, s)
		w.end(a, result, err)
	})
}

// settlement is what to do with some of these events. Callers hold mu.
func (w *world) settlement(from []sighting) hub.Settlement {
	s := hub.Settlement{Stream: w.stream(), Verb: []hub.Verb{
		hub.VerbAck, hub.VerbAck, hub.VerbAck, hub.VerbNack, hub.VerbNack, hub.VerbExtend,
	}[w.rng.IntN(6)]}
	withAttempt := s.Verb != hub.VerbAck && w.rng.IntN(2) == 0
	from = slices.DeleteFunc(slices.Clone(from), func(h sighting) bool { return h.fact.stream != s.Stream })
	for range min(1+w.rng.IntN(4), len(from)) {
		i := w.rng.IntN(len(from))
		r := from[i].receipt(withAttempt)
		from = slices.DeleteFunc(from, func(h sighting) bool { return h.fact.id == r.ID })
		if s.Receipts = append(s.Receipts, r); len(from) == 0 {
			break
		}
	}
	switch {
	case len(s.Receipts) == 0 || w.rng.IntN(30) == 0: // an event that there never was
		s.Receipts = append(s.Receipts, hub.Receipt{ID: hub.ID{MS: nobodysMS, Seq: uint64(w.rng.IntN(100))}})
	case s.Verb == hub.VerbAck && w.rng.IntN(8) == 0:
		s.UpTo, s.Receipts = &s.Receipts[0].ID, nil
	}
	if s.Verb == hub.VerbNack {
		s.DeadLetter, s.Reason = w.rng.IntN(8) == 0, []string{"", "broken"}[w.rng.IntN(2)]
		if d := time.Duration(w.rng.IntN(60)) * time.Millisecond; d < 40*time.Millisecond {
			s.Delay = &d
		}
	}
	return s
}
