package main

import (
	"testing"
	"time"

	"eventhub/test/faults/history"
)

func TestBoundsAreNarrowerForWhatRunsAlone(t *testing.T) {
	for _, test := range []struct {
		alone    bool
		measured time.Duration
		wrong    int
	}{{true, 12 * time.Second, 0}, {true, 12*time.Second + 1, 1}, {false, 16 * time.Second, 0}, {false, 16*time.Second + 1, 1}} {
		sc := scenario{alone: test.alone, redelivered: 10 * time.Second}
		res := result{Figures: history.Figures{Redelivered: test.measured}}
		res.judgeTimes(&sc)
		if len(res.Wrong) != test.wrong {
			t.Errorf("alone: %v, %s: %q", test.alone, test.measured, res.Wrong)
		}
	}
}

func TestSlowRefusalsWhileRedisIsFullAreFound(t *testing.T) {
	const second = time.Second
	for _, test := range []struct {
		name  string
		slow  int // of 200 publishes
		finds history.Violation
	}{{name: "one of 200", slow: 1}, {name: "three of 200", slow: 3, finds: "slow refusals"}} {
		h := history.History{
			Faults: []history.Fault{{Name: "maxmemory", Proof: "yes", Began: second, Ended: 9 * second}},
			Acks:   []history.Ack{{Sent: 2 * second, Confirmed: 3 * second, Done: true}},
		}
		for i := range 200 {
			p := history.Publish{Topic: "orders", Outcome: history.Failed, Began: 2 * second, Ended: 2*second + 5*time.Millisecond}
			if i < test.slow {
				p.Ended += second
			}
			h.Publishes = append(h.Publishes, p)
		}
		// When the first server has room again, and the fault has not yet ended.
		h.Publishes = append(h.Publishes, history.Publish{Topic: "orders", Outcome: history.OK, Began: 9*second - 20*time.Millisecond, Ended: 9*second - 10*time.Millisecond})
		v := history.Verdict{Counts: map[history.Violation]int{}}
		checkFull(&h, &v)
		if v.Counts[test.finds] != len(test.finds)/len("slow refusals") || len(v.Counts) > 1 {
			t.Errorf("%s: %v", test.name, v.Counts)
		}
	}
}

func TestThatNothingEverCameIsNotInTime(t *testing.T) {
	sc := scenario{recovery: 2 * time.Second}
	res := result{Figures: history.Figures{Recovery: -1}}
	if res.judgeTimes(&sc); len(res.Wrong) != 1 {
		t.Errorf("that no event came after the fault is said to be %q", res.Wrong)
	}
}
