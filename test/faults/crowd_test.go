package main

import (
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

func TestSocketsThatAreToldToComeBackAtOnceAreSeen(t *testing.T) {
	var even []time.Duration
	for i := range 300 {
		even = append(even, time.Duration(i)*10*time.Millisecond)
	}
	if what := bunched(even); what != "" {
		t.Errorf("of waits that are spread evenly it is said: %s", what)
	}
	for name, waits := range map[string][]time.Duration{
		"together": append(make([]time.Duration, 50), even...), "too long": append([]time.Duration{spreadOver + 1}, even...), "none": append([]time.Duration{-1}, even...),
	} {
		if bunched(waits) == "" {
			t.Errorf("waits that are %s are not seen", name)
		}
	}
}

func TestWhatADrainTakesBackKeepsItsAttempt(t *testing.T) {
	id := func(n uint64) hub.ID { return hub.ID{MS: n} }
	second := time.Second
	h := &history.History{
		Conns: []history.Conn{{Feed: work, Drained: true, Ended: 5 * second}, {Feed: work}, {Feed: work, Ended: 5 * second}},
		Deliveries: []history.Delivery{
			{Conn: 0, ID: id(1), At: 4 * second, Attempt: 1}, // taken back
			{Conn: 0, ID: id(2), At: 4 * second, Attempt: 1}, // acked
			{Conn: 0, ID: id(3), At: 0, Attempt: 1},          // held for too long
			{Conn: 2, ID: id(4), At: 4 * second, Attempt: 1}, // of a hub that did not drain
			{Conn: 1, ID: id(1), At: 6 * second, Attempt: 1},
			{Conn: 1, ID: id(2), At: 6 * second, Attempt: 2},
			{Conn: 1, ID: id(3), At: 6 * second, Attempt: 2},
			{Conn: 1, ID: id(4), At: 6 * second, Attempt: 2},
		},
		Acks: []history.Ack{{Conn: 0, ID: id(2)}},
	}
	all := map[int]bool{0: true, 1: true, 2: true}
	if back, wrong := takenBack(h, all, 5*second); back != 1 || len(wrong) != 0 {
		t.Errorf("%d were taken back, want 1, of which are wrong %q", back, wrong)
	}
	h.Deliveries[4].Attempt = 2
	if _, wrong := takenBack(h, all, 5*second); len(wrong) != 1 {
		t.Errorf("one that was counted is not seen: %q", wrong)
	}
	if back, _ := takenBack(h, map[int]bool{1: true}, 5*second); back != 0 {
		t.Errorf("%d are said to be of other consumers", back)
	}
}
