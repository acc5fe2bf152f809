package history_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"eventhub/test/faults/history"
)

func TestValidHistoriesHaveNoFindings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
		for i := range w.Publishes { // all of a stream may have been published at once
			w.Publishes[i].Batch = w.Publishes[i].Topic
		}
		if v := history.Check(&w.History, history.Bounds{}); len(v.Counts) > 0 || !v.Valid() {
			t.Fatalf("a valid history is said to be wrong:\n%s", v)
		}
	})
}

func TestEachMutationIsFoundAndOnlyThat(t *testing.T) {
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			for seed := range uint64(200) {
				random := rand.New(rand.NewPCG(seed, 7))
				w := newWorld(random.IntN)
				m.do(w)
				v := history.Check(&w.History, history.Bounds{})
				if v.Counts[m.finds] == 0 || len(v.Counts) != 1 || v.Valid() != m.finds.Harmless() {
					t.Fatalf("seed %d: want %q only, got %v\n%s", seed, m.finds, v.Counts, v)
				}
			}
		})
	}
}

func TestADestroyedGroupIsForgivenWhereItWas(t *testing.T) {
	for _, f := range []history.Fault{{}, {Sinks: []string{work}}, {Topics: []string{"a"}}, {Sinks: []string{work}, Topics: []string{"a"}}} {
		for seed := range uint64(50) {
			w := newWorld(rand.New(rand.NewPCG(seed, 7)).IntN)
			w.destroy(w.some("a"), f)
			if v := history.Check(&w.History, history.Bounds{}); len(v.Counts) > 0 {
				t.Fatalf("seed %d: a redelivery after %+v is said to be wrong:\n%s", seed, f, v)
			}
		}
	}
}

func TestWhatALostGroupHadMayComeAgainToWhoAcksItMeanwhile(t *testing.T) {
	for seed := range uint64(50) {
		for _, sink := range []string{work, line} {
			w := newWorld(rand.New(rand.NewPCG(seed, 7)).IntN)
			p := w.some("a")
			d := *w.last(work, p)
			w.Faults = append(w.Faults, history.Fault{Name: "XGROUP DESTROY", Proof: "yes", Resets: true, Sinks: []string{sink}, Began: d.At + 1, Ended: d.At + 1})
			w.again(d, 1, w.acked(work, p)+1)
			v := history.Check(&w.History, history.Bounds{})
			if sink == work && len(v.Counts) > 0 || sink != work && v.Counts[history.AfterAck] == 0 {
				t.Fatalf("seed %d, the group of %s: %v\n%s", seed, sink, v.Counts, v)
			}
		}
	}
}

func TestWhatALostGroupHasSentMayBeSeenAMomentLater(t *testing.T) {
	for seed := range uint64(50) {
		for _, sink := range []string{work, line} {
			w := newWorld(rand.New(rand.NewPCG(seed, 7)).IntN)
			p := w.some("a")
			d := *w.last(work, p)
			if w.Conns[d.Conn].Drained {
				continue // it need not grow
			}
			at := d.At - time.Millisecond
			w.Faults = append(w.Faults, history.Fault{Name: "XGROUP DESTROY", Proof: "yes", Resets: true, Sinks: []string{sink}, Began: at, Ended: at})
			w.again(d, d.Attempt, w.acked(work, p)-1)
			v := history.Check(&w.History, history.Bounds{})
			if sink == work && len(v.Counts) > 0 || sink != work && v.Counts[history.Unflagged] == 0 {
				t.Fatalf("seed %d, the group of %s: %v\n%s", seed, sink, v.Counts, v)
			}
		}
	}
}

func TestWhatAFaultHoldsUpIsNotForgivenOfWhoStaysToTheEnd(t *testing.T) {
	for seed := range uint64(50) {
		w := newWorld(rand.New(rand.NewPCG(seed, 7)).IntN)
		p := w.some("c")
		conn := w.last(cast, p).Conn
		w.remove(conn, p)
		wide := history.Bounds{Tail: time.Hour}
		if v := history.Check(&w.History, wide); v.Counts[history.Hole] == 0 {
			t.Fatalf("seed %d: who was there at the end has missed a message, and %v", seed, v.Counts)
		}
		w.Conns[conn].Ended = w.Ended
		if v := history.Check(&w.History, wide); v.Counts[history.Hole] != 0 {
			t.Fatalf("seed %d: who left before it came is said to have missed it:\n%s", seed, v)
		}
	}
}

func TestMutationsFindEveryViolation(t *testing.T) {
	found := map[history.Violation]bool{}
	for _, m := range mutations() {
		found[m.finds] = true
	}
	for _, v := range history.Violations() {
		if !found[v] {
			t.Errorf("no mutation is found as %q", v)
		}
	}
}

func TestAFaultWithoutProofHadNoEffect(t *testing.T) {
	faults := []history.Fault{{Name: "kill", Proof: "exit status"}, {Name: "pause"}}
	if history.Effective(faults) || !history.Effective(faults[:1]) {
		t.Error("proofs are not looked at")
	}
}

func TestAnAckWithoutAnswerExcusesOnlyWhereNoneCouldCome(t *testing.T) {
	const soon, late = time.Second, 20 * time.Second
	for name, test := range map[string]struct {
		lived   time.Duration // its connection, 0: to the end
		ran     time.Duration // all
		fault   time.Duration // how long it lasted
		errs    bool          // it was answered by an error
		excused bool
	}{
		"its connection ended":        {lived: soon, ran: late, excused: true},
		"all ended":                   {ran: soon, excused: true},
		"it was answered by an error": {ran: late, errs: true, excused: true},
		"a fault held it up":          {ran: late, fault: late - soon, excused: true},
		"a fault held it up, once":    {ran: late, fault: soon},
		"its connection lived on":     {lived: late, ran: late + soon},
		"and to the end":              {ran: late},
	} {
		for seed := range uint64(20) {
			w := newWorld(rand.New(rand.NewPCG(seed, 7)).IntN)
			p := w.some("a")
			w.unack(work, p)
			conn, sent := w.open(work), w.now
			ack := history.Ack{Conn: conn, Topic: "a", ID: p.ID, Sent: sent}
			if test.errs {
				ack.Failed = sent + 1
			}
			w.Acks = append(w.Acks, ack)
			if w.Ended = sent + test.ran; test.lived > 0 {
				w.Conns[conn].Ended = sent + test.lived
			}
			w.Faults = append(w.Faults, history.Fault{Name: "SIGSTOP", Proof: "yes", Began: sent, Ended: sent + test.fault})
			v := history.Check(&w.History, history.Bounds{})
			want := map[history.Violation]int{history.Lost: 1, history.Unanswered: 1}
			if test.excused {
				clear(want)
			}
			if !maps.Equal(v.Counts, want) {
				t.Fatalf("%s, seed %d: want %v, got %v\n%s", name, seed, want, v.Counts, v)
			}
		}
	}
}

func TestAReaderMissesNothingThatWasWipedBeforeItCame(t *testing.T) {
	for seed := range uint64(50) {
		for _, came := range []bool{false, true} {
			w := newWorld(rand.New(rand.NewPCG(seed, 7)).IntN)
			conn := w.conns(book)[0]
			p := w.some("a")
			w.Feeds = slices.DeleteFunc(w.Feeds, func(f history.Feed) bool { return f.Name != book })
			w.Faults = append(w.Faults, history.Fault{Name: "FLUSHALL", Proof: "yes", Wipes: true, Began: p.Ended + 1, Ended: p.Ended + 1})
			w.Entries = slices.DeleteFunc(w.Entries, func(e history.Entry) bool { return e.ID == p.ID })
			w.remove(conn, p)
			if came { // it was there, and has had all else
				if v := history.Check(&w.History, history.Bounds{}); v.Counts[history.Hole] != 1 {
					t.Fatalf("seed %d: an event that was wiped is missed, and nobody told of it: %v\n%s", seed, v.Counts, v)
				}
				continue
			}
			w.Conns[conn].Opened = p.Ended + 2
			if v := history.Check(&w.History, history.Bounds{}); len(v.Counts) > 0 {
				t.Fatalf("seed %d: who came when it was gone is said to miss it:\n%s", seed, v)
			}
		}
	}
}
