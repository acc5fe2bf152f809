package history

import (
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestAWaitCountsFromTheLastKillOfAHub(t *testing.T) {
	second := time.Second
	id := hub.ID{MS: 1}
	h := &History{
		Feeds:      []Feed{{Kind: Sink, Name: "work", Topics: []string{"orders"}}},
		Publishes:  []Publish{{Topic: "orders", Value: "a", Outcome: OK, ID: id, Began: second, Ended: second}},
		Conns:      []Conn{{Feed: "work"}},
		Deliveries: []Delivery{{At: 9 * second, Topic: "orders", ID: id, Value: "a", Attempt: 1}},
		Entries:    []Entry{{Topic: "orders", ID: id, Value: "a"}},
	}
	if got := Check(h, Bounds{}).Figures.Latest; got != 8*second {
		t.Errorf("it waited for %s, want 8 s", got)
	}
	h.Faults = []Fault{{Name: "a", Kills: true, Began: 2 * second, Ended: 2 * second}, {Name: "b", Kills: true, Began: 6 * second, Ended: 6 * second}, {Name: "c", Kills: true, Began: 10 * second, Ended: 10 * second}}
	if got := Check(h, Bounds{}).Figures.Latest; got != 3*second {
		t.Errorf("since the last kill before it came it waited for %s, want 3 s", got)
	}
}
