package history_test

import (
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

func TestRecoveryIsTheSlowestSinksOrReaders(t *testing.T) {
	const second = time.Second
	event := func(n int) history.Publish {
		at := time.Duration(n) * second
		return history.Publish{Topic: "a", Value: string(rune('a' + n)), Outcome: history.OK, Began: at, Ended: at, ID: hub.ID{MS: uint64(n)}}
	}
	came := func(conn, n int, at time.Duration) history.Delivery {
		return history.Delivery{At: at, Conn: conn, Topic: "a", ID: hub.ID{MS: uint64(n)}, Value: string(rune('a' + n)), Attempt: 1}
	}
	for name, test := range map[string]struct {
		deliveries []history.Delivery
		want       time.Duration
	}{
		"a sink":                     {[]history.Delivery{came(1, 6, 7*second), came(0, 6, 9*second)}, 4 * second},
		"a reader":                   {[]history.Delivery{came(0, 6, 7*second), came(1, 7, 8*second), came(1, 6, 9*second)}, 3 * second},
		"what was published before":  {[]history.Delivery{came(0, 6, 7*second), came(1, 6, 7*second), came(1, 4, 20*second)}, 2 * second},
		"before it was confirmed":    {[]history.Delivery{came(0, 6, 4*second), came(1, 6, 4*second)}, 0},
		"one that never had any":     {[]history.Delivery{came(0, 6, 7*second), came(1, 4, 7*second)}, -1},
		"nobody who has had any yet": {nil, -1},
	} {
		h := history.History{
			Feeds: []history.Feed{
				{Kind: history.Sink, Name: work, Topics: []string{"a"}},
				{Kind: history.Reader, Name: book, Topics: []string{"a"}},
				{Kind: history.Reader, Name: "of another stream", Topics: []string{"b"}},
				{Kind: history.Broadcast, Name: cast, Topics: []string{"a"}},
			},
			Publishes:  []history.Publish{event(4), event(6), event(7)},
			Conns:      []history.Conn{{Feed: work}, {Feed: book}},
			Deliveries: test.deliveries,
			Faults:     []history.Fault{{Ended: 3 * second}, {Ended: 5 * second}},
			Ended:      60 * second,
		}
		if got := history.Check(&h, history.Bounds{}).Figures.Recovery; got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
