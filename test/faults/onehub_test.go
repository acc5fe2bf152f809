package main

import (
	"slices"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

// partition is a history in which hub 0 is parted from 10 to 18 s, and its consumer holds an
// event that another hub's has 4 s later. Hub 1 confirms a publish to each stream every
// second.
func partition() *history.History {
	const second = time.Second
	h := &history.History{
		Feeds:  []history.Feed{{Kind: history.Sink, Name: work}, {Kind: history.Reader, Name: "r"}},
		Conns:  []history.Conn{{Feed: work, Hub: "0"}, {Feed: work, Hub: "1"}, {Feed: "r", Hub: "0"}},
		Faults: []history.Fault{{Name: "parted", Proof: "p", Hub: "0", Began: 10 * second, Ended: 18 * second}},
		Ended:  60 * second,
	}
	for at := 5 * second; at < 25*second; at += second {
		for _, stream := range streams() {
			h.Publishes = append(h.Publishes, history.Publish{Topic: stream, Hub: "1", Began: at - 1, Ended: at, Outcome: history.OK})
		}
	}
	h.Publishes = append(h.Publishes, history.Publish{Topic: channel, Channel: true, Hub: "0", Began: 12 * second, Ended: 14 * second, Outcome: history.Failed})
	came := func(conn, at int, n uint64) history.Delivery {
		return history.Delivery{Conn: conn, At: time.Duration(at) * second, Topic: "orders", ID: hub.ID{MS: n}}
	}
	h.Deliveries = []history.Delivery{came(0, 1, 1), came(2, 9, 2), came(0, 9, 3), came(0, 11, 3), came(1, 14, 3)}
	return h
}

func TestWhatIsPromisedWhereOneHubIsPartedIsChecked(t *testing.T) {
	const second = time.Second
	for name, test := range map[string]struct {
		change func(h *history.History)
		wrong  bool
		idle   bool // the fault had no effect
	}{
		"all is well": {change: func(*history.History) {}},
		"another hub refuses a message": {wrong: true, change: func(h *history.History) {
			h.Publishes = append(h.Publishes, history.Publish{Topic: channel, Channel: true, Hub: "1", Began: 12 * second, Ended: 12 * second, Outcome: history.Failed})
		}},
		"another hub does so later": {change: func(h *history.History) {
			h.Publishes = append(h.Publishes, history.Publish{Topic: "orders", Hub: "1", Began: 19 * second, Ended: 19 * second, Outcome: history.Failed})
		}},
		"a stream stands still": {wrong: true, change: func(h *history.History) {
			h.Publishes = slices.DeleteFunc(h.Publishes, func(p history.Publish) bool { return p.Topic == "orders" && p.Ended == 15*second })
		}},
		"a stream stands still to the end": {wrong: true, change: func(h *history.History) {
			h.Publishes = slices.DeleteFunc(h.Publishes, func(p history.Publish) bool { return p.Topic == "orders" && p.Ended > 16*second })
		}},
		"what was held comes late":    {wrong: true, change: func(h *history.History) { h.Deliveries[4].At = 17*second + 1 }},
		"what was held comes never":   {wrong: true, change: func(h *history.History) { h.Deliveries = h.Deliveries[:4] }},
		"it is settled meanwhile":     {change: func(h *history.History) { settle(h, 11*second, 12*second) }},
		"it is settled much later":    {wrong: true, change: func(h *history.History) { settle(h, 11*second, 19*second) }},
		"a reader is sent away":       {wrong: true, change: func(h *history.History) { h.Conns[2].Ended = 12 * second }},
		"a reader leaves afterwards":  {change: func(h *history.History) { h.Conns[2].Ended = 19 * second }},
		"another hub's reader leaves": {change: func(h *history.History) { h.Conns[2].Hub, h.Conns[2].Ended = "1", 12*second }},
		"it was acked before":         {idle: true, change: func(h *history.History) { settle(h, 10*second, 0) }},
		"its consumer had left":       {idle: true, change: func(h *history.History) { h.Conns[0].Ended = 9 * second }},
		"nobody held anything there":  {idle: true, change: func(h *history.History) { h.Conns[0].Hub = "2" }},
		"it is of who gives events up": {idle: true, change: func(h *history.History) {
			h.Feeds[0].Name, h.Conns[0].Feed, h.Conns[1].Feed = poison, poison, poison
		}},
	} {
		h, v := partition(), &history.Verdict{Counts: map[history.Violation]int{}}
		test.change(h)
		checkParted(h, v)
		if wrong, idle := v.Counts[parted] > 0, h.Faults[0].Proof == ""; wrong != test.wrong || idle != test.idle {
			t.Errorf("%s: %v, and its proof is %q\n%s", name, v.Counts, h.Faults[0].Proof, v)
		}
	}
}

// settle has the event that was held come no more, as it was acked.
func settle(h *history.History, sent, confirmed time.Duration) {
	h.Deliveries = h.Deliveries[:4]
	h.Acks = append(h.Acks, history.Ack{Conn: 0, Topic: "orders", ID: hub.ID{MS: 3}, Sent: sent, Confirmed: confirmed, Done: confirmed > 0})
}

func TestAHubSaysWhatItIsCalled(t *testing.T) {
	l := newLogs()
	if got := l.hub(); got != "" {
		t.Errorf("before it has said anything it is called %q", got)
	}
	for _, line := range []string{`{"msg":"listening","hub":"hub-1"}`, `{"msg":"another","hub":"hub-7"}`, "no JSON", `{"msg":"listening","hub":"hub-2"}`} {
		_, _ = l.Write([]byte(line + "\n"))
	}
	if got := l.hub(); got != "hub-2" {
		t.Errorf("after its restart it is called %q", got)
	}
}
