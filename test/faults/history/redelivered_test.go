package history_test

import (
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/test/faults/history"
)

func TestRedeliveredIsOfWhatAKilledHubHeld(t *testing.T) {
	id := hub.ID{MS: 1000, Seq: 1}
	ack := func(conn int, confirmed int) history.Ack {
		return history.Ack{Conn: conn, Topic: "a", ID: id, Sent: 2 * time.Second, Confirmed: seconds(confirmed), Done: confirmed > 0}
	}
	came := func(conn, at int) history.Delivery {
		return history.Delivery{Conn: conn, At: seconds(at), Topic: "a", ID: id, Attempt: 1}
	}
	for _, test := range []struct {
		name       string
		deliveries []history.Delivery // connection 0 is of the hub that is killed at 3 s, 1 of another
		acks       []history.Ack
		dead       []hub.ID
		redriven   int           // when; 0: never
		forgets    history.Fault // at 8 s
		want       int           // seconds
	}{
		{name: "it comes again elsewhere", deliveries: []history.Delivery{came(0, 1), came(1, 7)}, want: 4},
		{name: "it comes to the hub's next process, too", deliveries: []history.Delivery{came(0, 1), came(2, 9), came(1, 20)}, want: 6},
		{name: "another held it", deliveries: []history.Delivery{came(1, 1), came(1, 7)}},
		{name: "it had come to another before", deliveries: []history.Delivery{came(0, 1), came(1, 2), came(1, 9)}},
		{name: "it was settled before", deliveries: []history.Delivery{came(0, 1)}, acks: []history.Ack{ack(0, 2)}},
		{name: "it is settled later, though it never came again", deliveries: []history.Delivery{came(0, 1)}, acks: []history.Ack{ack(1, 8)}, want: 5},
		{name: "its ack may have been taken", deliveries: []history.Delivery{came(0, 1)}, acks: []history.Ack{ack(0, 0)}},
		{name: "its ack may have been taken, and was not", deliveries: []history.Delivery{came(0, 1), came(1, 5)}, acks: []history.Ack{ack(0, 0)}, want: 2},
		{name: "it is a dead letter", deliveries: []history.Delivery{came(0, 1)}, dead: []hub.ID{id}},
		{name: "it was a dead letter, and is redriven", deliveries: []history.Delivery{came(0, 1), came(1, 20)}, redriven: 19},
		{name: "it comes again before a redrive", deliveries: []history.Delivery{came(0, 1), came(1, 8), came(1, 20)}, redriven: 19, want: 5},
		{name: "it was settled before, and comes again as its group is lost", deliveries: []history.Delivery{came(0, 1), came(1, 20)}, acks: []history.Ack{ack(0, 2)}, forgets: history.Fault{Resets: true}},
		{name: "its ack may have been taken, until its group was lost", deliveries: []history.Delivery{came(0, 1), came(1, 20)}, acks: []history.Ack{ack(0, 0)}, forgets: history.Fault{Resets: true}},
		{name: "its ack was not taken before its group was lost", deliveries: []history.Delivery{came(0, 1), came(1, 7)}, acks: []history.Ack{ack(0, 0)}, forgets: history.Fault{Resets: true}, want: 4},
		{name: "it waits until it is wiped", deliveries: []history.Delivery{came(0, 1)}, forgets: history.Fault{Wipes: true}, want: 5},
		{name: "it waits until its primary is gone", deliveries: []history.Delivery{came(0, 1)}, forgets: history.Fault{Forfeits: true, Lag: time.Second}, want: 4},
		{name: "another stream is wiped", deliveries: []history.Delivery{came(0, 1)}, forgets: history.Fault{Wipes: true, Topics: []string{"b"}}, want: 27},
		{name: "another sink's group is lost", deliveries: []history.Delivery{came(0, 1), came(1, 20)}, forgets: history.Fault{Resets: true, Sinks: []string{line}}, want: 17},
		{name: "nobody ever sees it again", deliveries: []history.Delivery{came(0, 1)}, want: 27},
	} {
		h := history.History{
			Feeds: []history.Feed{{Kind: history.Sink, Name: work, Topics: []string{"a"}}},
			Conns: []history.Conn{
				{Feed: work, Hub: "0", Opened: 1, Ended: seconds(3)}, {Feed: work, Hub: "1", Opened: 1}, {Feed: work, Hub: "0", Opened: seconds(5)},
			},
			Faults:     []history.Fault{{Name: "kill", Hub: "0", Kills: true, Began: seconds(3), Ended: seconds(3)}},
			Deliveries: test.deliveries, Acks: test.acks, Ended: seconds(30),
			Owed: []history.Owed{{Sink: work, Topic: "a", Dead: test.dead}},
		}
		test.forgets.Began, test.forgets.Ended = seconds(8), seconds(8)
		h.Faults = append(h.Faults, test.forgets)
		if test.redriven > 0 {
			h.Redrives = []history.Redrive{{Began: seconds(test.redriven), Sink: work}}
		}
		if got := history.Check(&h, history.Bounds{}).Figures.Redelivered; got != seconds(test.want) {
			t.Errorf("%s: %s, want %d s", test.name, got, test.want)
		}
		h.Faults[0].Kills = false
		if got := history.Check(&h, history.Bounds{}).Figures.Redelivered; got != 0 {
			t.Errorf("%s: %s where no hub was killed", test.name, got)
		}
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
