package broker_test

import (
	"fmt"
	"testing"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// confirmedMove is a publisher of the stream orders to whom a moving slot is not to show.
type confirmedMove struct {
	t      *testing.T
	b      *broker.Broker
	stored int64
}

// publish has n events confirmed, with an idempotency key or "".
func (p *confirmedMove) publish(when, key string, n int) {
	p.t.Helper()
	published, err := replicated(p.t.Context(), p.b, "orders", key, n)
	if err != nil {
		p.t.Fatalf("%s, a publish of %d with the key %q: %v", when, n, key, err)
	}
	if !published.Replay() {
		p.stored += int64(n)
	}
}

// later is the same, under way while the slot moves on.
func (p *confirmedMove) later(key string, n int) <-chan error {
	done := make(chan error, 1)
	p.stored += int64(n)
	go func() { // waited for by who receives
		_, err := replicated(p.t.Context(), p.b, "orders", key, n)
		done <- err
	}()
	return done
}

func TestReplicatedPublishesGoOnWhileASlotMoves(t *testing.T) {
	t.Parallel()
	c, replicas := redistest.StartClusterWithReplicas(t, 2, redistest.Setup{})
	p := &confirmedMove{t: t, b: startBroker(t, c.URL())}
	p.publish("before", "", 2)
	m := startMove(t, c)
	heirs := replicas[0]
	if m.to == c.Nodes[1] {
		heirs = replicas[1]
	}

	m.key(movedCfg)
	apart := p.later("", 2)
	m.refused(m.source, "TRYAGAIN")
	m.key(movedLog)
	if err := <-apart; err != nil {
		t.Fatalf("a publish while its keys were on two nodes: %v", err)
	}

	// Now each is redirected, by ASK; what is kept of the stream beside it is not moved yet.
	p.publish("moved in part", "", 1)
	p.publish("moved in part", "", 2)
	heirs.Pause()
	if _, err := replicated(t.Context(), p.b, "orders", "", 1); code(err) != hub.CodeUnconfirmed {
		t.Fatalf("without a replica of the node that has the stream now it is answered %v, want %s", err, hub.CodeUnconfirmed)
	}
	p.stored++
	heirs.Resume()
	eventually(t, func() string {
		if n := m.target.Do(t.Context(), "WAIT", 1, 100).Val(); n != int64(1) {
			return fmt.Sprintf("%v replicas are back", n)
		}
		return ""
	})
	p.publish("moved in part", "", 1)

	keyed := p.later("key", 3)
	m.refused(m.target, "TRYAGAIN")
	m.finish()
	if err := <-keyed; err != nil {
		t.Fatalf("a publish while some of its keys were on the other node: %v", err)
	}
	for i := range 20 { // at first the hub does not know
		p.publish("moved", "", 1)
		p.publish("moved", "", 2)
		p.publish("moved", "key", 3)
		p.publish("moved", fmt.Sprint(i), 1)
	}
	if n := m.target.XLen(t.Context(), movedLog).Val(); n != p.stored {
		t.Errorf("%d events are stored, want %d", n, p.stored)
	}
}
