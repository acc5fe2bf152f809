package main

import (
	"testing"
	"time"

	"eventhub/test/faults/history"
)

func TestANoticedMigrationIsFoundAndToldInAFewWords(t *testing.T) {
	h := &history.History{Faults: []history.Fault{{Name: "slot migration", Began: time.Second, Ended: 3 * time.Second}}}
	quick := history.Publish{Topic: "orders", Outcome: history.OK, Began: 2 * time.Second, Ended: 2*time.Second + 1}
	h.Publishes = []history.Publish{quick}
	v := &history.Verdict{Counts: map[history.Violation]int{}}
	if checkMigration(h, v); len(v.Counts) > 0 {
		t.Errorf("one that nobody noticed is said to be %v", v.Counts)
	}
	const slow = 500
	for range slow {
		h.Publishes = append(h.Publishes, history.Publish{Topic: "orders", Outcome: history.OK, Began: 2 * time.Second, Ended: 3 * time.Second})
	}
	if checkMigration(h, v); v.Counts[noticed] != slow || len(v.Findings) == 0 || len(v.Findings) > slow/10 {
		t.Errorf("of %d slow publishes %d are counted and %d told", slow, v.Counts[noticed], len(v.Findings))
	}
}
