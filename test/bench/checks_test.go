package main

import (
	"encoding/json"
	"testing"
)

func TestTallyNoticesLossesAndRepeats(t *testing.T) {
	b := backlog{stream: "s", size: 2*perMS + 1, base: 1_700_000_000_000}
	all := func() *tally {
		tally := newTally(b)
		for ms := range 3 {
			for seq := range perMS {
				if ms < 2 || seq == 0 {
					tally.mark(eventID(b, ms, seq))
				}
			}
		}
		return tally
	}
	if tally := all(); !tally.complete() || tally.check() != nil {
		t.Errorf("a whole backlog is reported as %v", tally.check())
	}
	repeated := all()
	repeated.mark(eventID(b, 1, 7))
	strange := all()
	strange.mark(eventID(b, 2, 1))
	for name, tally := range map[string]*tally{"lost": newTally(b), "repeated": repeated, "strange": strange} {
		if tally.check() == nil {
			t.Errorf("%s events are not noticed", name)
		}
	}
}

func eventID(b backlog, ms, seq int) []byte {
	text, _ := json.Marshal(b.base + int64(ms))
	digits, _ := json.Marshal(seq)
	return append(append(text, '-'), digits...)
}

func TestAudienceNoticesLossesAndRepeats(t *testing.T) {
	// One of two messages twice: the count is right, the messages are not.
	a := &audience{subscribers: []*subscriber{{}}, failed: make(chan error, 1)}
	a.published.Store(2)
	a.said.Store(10 + 20)
	a.subscribers[0].count.Store(2)
	a.subscribers[0].heard.Store(10 + 10)
	if a.hush() == nil {
		t.Error("a repeated message in place of another is not noticed")
	}
	a.subscribers[0].heard.Store(10 + 20)
	if err := a.hush(); err != nil {
		t.Error(err)
	}
}
