package history_test

import (
	"fmt"
	"testing"

	"eventhub/test/faults/history"
)

// attempt is one to publish to a stream, at seconds of the clock.
func attempt(topic string, outcome history.Outcome, began, ended int) history.Publish {
	return history.Publish{
		Topic: topic, Value: fmt.Sprint(topic, ended), Outcome: outcome,
		Began: seconds(began), Ended: seconds(ended),
	}
}

func TestAnOutageIsOfAStreamAndOfAttempts(t *testing.T) {
	const ok, failed, unknown = history.OK, history.Failed, history.Unknown
	for _, test := range []struct {
		name      string
		publishes []history.Publish
		want      int // seconds, of the stream a
	}{
		{"confirmed one after the other", []history.Publish{attempt("a", ok, 0, 1), attempt("a", ok, 1, 3), attempt("a", ok, 3, 4)}, 2},
		{"nobody tries for long", []history.Publish{attempt("a", ok, 0, 1), attempt("a", ok, 20, 21)}, 1},
		{"another stream goes on", []history.Publish{attempt("a", ok, 0, 1), attempt("b", ok, 2, 3), attempt("a", failed, 1, 2), attempt("a", ok, 5, 9)}, 8},
		{"an attempt hangs while others are confirmed", []history.Publish{attempt("a", ok, 0, 1), attempt("a", unknown, 1, 9), attempt("a", ok, 2, 3)}, 6},
		{"it begins with failures", []history.Publish{attempt("a", failed, 1, 2), attempt("a", ok, 4, 6)}, 5},
		{"it never ends", []history.Publish{attempt("a", ok, 0, 1), attempt("a", failed, 2, 3), attempt("a", failed, 8, 9)}, 7},
		{"what is published at the end is apart", []history.Publish{attempt("a", ok, 0, 1), {Topic: "a", Value: "f", Final: true, Outcome: ok, Began: 1, Ended: seconds(99)}}, 1},
	} {
		h := history.History{Publishes: append(test.publishes, attempt("b", ok, 0, 1))}
		f := history.Check(&h, history.Bounds{}).Figures
		want := seconds(test.want)
		if f.Outages["a"] != want || f.Outage != max(want, f.Outages["b"]) || len(f.Outages) != 2 {
			t.Errorf("%s: %v, the longest %s, want %s of a", test.name, f.Outages, f.Outage, want)
		}
	}
}
