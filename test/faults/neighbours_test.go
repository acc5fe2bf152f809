package main

import (
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// ordinary is a history with a fault of the first stream's master from 10 to 20 s, and
// publishes of another stream every 500 ms, each with a reader 10 ms later.
func ordinary() *history.History {
	other := streams()[1]
	h := &history.History{
		Feeds:  []history.Feed{{Kind: history.Reader, Name: "r", Topics: []string{other}}},
		Conns:  []history.Conn{{Feed: "r"}},
		Faults: []history.Fault{{Name: "f", Proof: "p", Began: 10 * time.Second, Ended: 20 * time.Second}},
	}
	for at := 5 * time.Second; at < 25*time.Second; at += 500 * time.Millisecond {
		p := history.Publish{Topic: other, Value: at.String(), Publisher: "p", Began: at, Ended: at + time.Millisecond, Outcome: history.OK, ID: hub.ID{MS: uint64(at)}}
		h.Publishes = append(h.Publishes, p)
		h.Entries = append(h.Entries, history.Entry{Topic: other, ID: p.ID, Value: p.Value})
		h.Deliveries = append(h.Deliveries, history.Delivery{At: p.Ended + 10*time.Millisecond, Topic: other, ID: p.ID, Value: p.Value})
	}
	return h
}

func TestWhatIsNotPromisedOfAFailoverIsFound(t *testing.T) {
	const during = 20 // a publish in the middle of the fault
	for name, c := range map[string]struct {
		check  func(*history.History, *history.Verdict)
		change func(h *history.History)
		want   history.Violation // "" for none
	}{
		"as ever":              {checkNeighbours, func(*history.History) {}, ""},
		"a refused publish":    {checkNeighbours, func(h *history.History) { h.Publishes[during].Outcome = history.Failed }, disturbed},
		"a slow publish":       {checkNeighbours, func(h *history.History) { h.Publishes[during].Began -= 1100 * time.Millisecond }, disturbed},
		"a silent publisher":   {checkNeighbours, func(h *history.History) { h.Publishes = append(h.Publishes[:during], h.Publishes[during+3:]...) }, disturbed},
		"a late delivery":      {checkNeighbours, func(h *history.History) { h.Deliveries[during].At += neighbourDelivery }, disturbed},
		"a calm migration":     {checkMigration, func(*history.History) {}, ""},
		"a refusal in it":      {checkMigration, func(h *history.History) { h.Publishes[during].Outcome = history.Failed }, noticed},
		"a slow publish in it": {checkMigration, func(h *history.History) { h.Publishes[during].Began -= time.Second }, noticed},
		"a gap in it": {checkMigration, func(h *history.History) {
			h.Gaps = []history.Gap{{At: 15 * time.Second, Topic: streams()[1], Reason: hub.GapReset}}
		}, noticed},
		"a gap of the channel in it": {checkMigration, func(h *history.History) {
			h.Gaps = []history.Gap{{At: 15 * time.Second, Topic: channel, Reason: hub.GapLost}}
		}, ""},
		"a lost event": {checkLag, func(h *history.History) { h.Entries = h.Entries[1:] }, history.Forfeited},
	} {
		h, v := ordinary(), &history.Verdict{Counts: map[history.Violation]int{}}
		c.change(h)
		c.check(h, v)
		for what, n := range v.Counts {
			if n > 0 && what != c.want {
				t.Errorf("%s: found %d of %q", name, n, what)
			}
		}
		if c.want != "" && v.Counts[c.want] == 0 {
			t.Errorf("%s: %q was not found", name, c.want)
		}
	}
}

func TestALagThatLosesNothingHadNoEffect(t *testing.T) {
	h := ordinary()
	checkLag(h, &history.Verdict{Counts: map[history.Violation]int{}})
	if h.Faults[0].Proof != "" {
		t.Errorf("it is proven by %q", h.Faults[0].Proof)
	}
}

func TestAMixThatBreaksTwoMastersHasOneReaderOfEachStream(t *testing.T) {
	rec := history.NewRecorder()
	r := &rig{stage: &stage{ctx: t.Context()}, rec: rec, load: newLoad(t.Context(), rec, []*node{{name: "0", addr: "127.0.0.1:1"}}, 1)}
	broken := 0
	fault := besideReaders(func(*rig) { broken++ })
	fault(r)
	fault(r)
	r.load.stop()
	h := rec.History()
	if broken != 2 || len(h.Feeds) != len(streams())-1 {
		t.Errorf("%d were broken beside %v", broken, h.Feeds)
	}
}
