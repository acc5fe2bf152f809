package broker_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// replicated publishes with an idempotency key, "" for none.
func replicated(ctx context.Context, b *broker.Broker, stream, key string, n int) (hub.Published, error) {
	return b.Publish(ctx, hub.Publication{Stream: stream, Events: batch(stream, n), Key: key, Durability: hub.Replicated})
}

func TestReplicatedEventsAreOnAReplicaOnceTheyAreAcknowledged(t *testing.T) {
	t.Parallel()
	primary, replica := redistest.StartReplicated(t)
	byDefault := startWith(t, broker.Options{RedisURL: primary.URL(), Durability: hub.Replicated})
	b, c := startBroker(t, primary.URL()), replica.Client(t)
	stored := int64(0)
	for i := range 50 { // the first makes the stream, by the script; the others of one event do without
		for _, one := range []func() (hub.Published, error){
			func() (hub.Published, error) { return replicated(t.Context(), b, "orders", "", 1) },
			func() (hub.Published, error) { return replicated(t.Context(), b, "orders", fmt.Sprint(i), 3) },
			func() (hub.Published, error) {
				return byDefault.Publish(t.Context(), hub.Publication{Stream: "orders", Events: batch("more", 1)})
			},
		} {
			published, err := one()
			if err != nil || published.Durability != hub.Replicated {
				t.Fatalf("it is answered %+v, %v", published, err)
			}
			stored += int64(len(published.IDs))
			if n := c.XLen(t.Context(), "hub:{orders}:log").Val(); n != stored {
				t.Fatalf("the replica has %d events right after the answer, want %d", n, stored)
			}
		}
	}
	published, err := byDefault.Publish(t.Context(), hub.Publication{Stream: "orders", Events: batch("fast", 1), Durability: hub.Fast})
	if err != nil || published.Durability != hub.Fast {
		t.Errorf("one that asks for less is answered %+v, %v", published, err)
	}
}

func TestEventsThatNoReplicaHasAreUnconfirmedUntilOneHasThem(t *testing.T) {
	t.Parallel()
	primary, replica := redistest.StartReplicated(t)
	b, other := startBroker(t, primary.URL()), startBroker(t, primary.URL())
	if _, err := replicated(t.Context(), b, "orders", "first", 1); err != nil {
		t.Fatal(err)
	}
	replica.Pause()
	// The second time it is known already, and no safer for that; the connections of the
	// other hub have written nothing that a replica might have.
	for _, b := range []*broker.Broker{b, other} {
		if _, err := replicated(t.Context(), b, "orders", "second", 2); code(err) != hub.CodeUnconfirmed {
			t.Fatalf("without a replica it is answered %v, want %s", err, hub.CodeUnconfirmed)
		}
	}
	if _, err := replicated(t.Context(), b, "orders", "", 1); code(err) != hub.CodeUnconfirmed {
		t.Fatalf("without a replica it is answered %v, want %s", err, hub.CodeUnconfirmed)
	}
	if _, err := publish(t.Context(), b, "orders", batch("fast", 1)); err != nil {
		t.Errorf("who does not ask for a replica is answered %v", err)
	}
	ids, _ := stream(t, primary.Client(t), "orders")
	if len(ids) != 5 {
		t.Fatalf("the primary has %d events, want each once: 5", len(ids))
	}
	replica.Resume()
	var again hub.Published
	eventually(t, func() string {
		var err error
		if again, err = replicated(t.Context(), b, "orders", "second", 2); err != nil {
			return err.Error()
		}
		return ""
	})
	if !again.Replay() || again.IDs[0].String() != ids[1] {
		t.Errorf("the replica is back, and the same key is answered %+v, want the ids %s", again, ids[1:3])
	}
	if n := replica.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n != 5 {
		t.Errorf("the replica has %d events, want 5", n)
	}
}

func TestWaitingForAReplicaHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	primary, replica := redistest.StartReplicated(t)
	b := startBroker(t, primary.URL())
	if _, err := replicated(t.Context(), b, "orders", "", 1); err != nil {
		t.Fatal(err)
	}
	replica.Pause()
	waits := make(chan error, 1)
	go func() { // waited for below
		_, err := replicated(t.Context(), b, "orders", "", 1)
		waits <- err
	}()
	c := primary.Client(t)
	eventually(t, func() string {
		if n := c.XLen(t.Context(), "hub:{orders}:log").Val(); n != 2 {
			return fmt.Sprintf("Redis has %d events", n)
		}
		return ""
	})
	// It is stored, and waits for a second.
	for range 20 {
		if _, err := publish(t.Context(), b, "orders", batch("fast", 1)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-waits:
		t.Errorf("it has waited no longer than twenty others took: %v", err)
	default:
	}
	if err := <-waits; code(err) != hub.CodeUnconfirmed {
		t.Errorf("it is answered %v, want %s", err, hub.CodeUnconfirmed)
	}
}

func TestEachNodeOfAClusterIsAskedForItsOwnReplica(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3) // without any
	b := startBroker(t, cluster.URL())
	c := cluster.Client(t)
	var publishers errgroup.Group
	for i := range 12 {
		publishers.Go(func() error {
			name := fmt.Sprintf("s%d", i)
			if _, err := replicated(t.Context(), b, name, "", 1); code(err) != hub.CodeUnconfirmed {
				return fmt.Errorf("without a replica %s is answered %w, want %s", name, err, hub.CodeUnconfirmed)
			}
			if stored := c.XLen(t.Context(), "hub:{"+name+"}:log").Val(); stored != 1 {
				return fmt.Errorf("%s has %d events, want 1", name, stored)
			}
			return nil
		})
	}
	if err := publishers.Wait(); err != nil {
		t.Error(err)
	}
}
