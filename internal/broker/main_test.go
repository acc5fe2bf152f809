package broker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
)

func TestMain(m *testing.M) {
	// After a failed dial go-redis tries once a second whether its pool may dial
	// again; that goroutine outlives the pool's Close by up to a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// patience is how long anything may take on a loaded machine before a test
// gives it up. Nothing waits that long when all is well.
const patience = 20 * time.Second

// startBroker runs a hub's engine until the end of the test.
func startBroker(t *testing.T, url string) *broker.Broker {
	t.Helper()
	return startWith(t, broker.Options{RedisURL: url})
}

func startWith(t *testing.T, options broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("closing the broker: %v", err)
		}
	})
	return b
}

// publish stores events in a stream.
func publish(ctx context.Context, b *broker.Broker, stream string, events []hub.Event) ([]hub.ID, error) {
	published, err := b.Publish(ctx, hub.Publication{Stream: stream, Events: events})
	return published.IDs, err
}

// eventually waits until check returns "": it says what is still wrong.
func eventually(t *testing.T, check func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still after %s: %s", patience, wrong)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// code is the code of an error, "" for none.
func code(err error) hub.Code {
	if err == nil {
		return ""
	}
	return hub.AsError(err).Code
}

// awaitHeartbeats waits until the only hub there is has sent two.
func awaitHeartbeats(t *testing.T, client *goredis.Client) {
	t.Helper()
	first := 0.0
	eventually(t, func() string {
		hubs, err := client.ZRangeWithScores(t.Context(), "hub:hubs", 0, -1).Result()
		switch {
		case err != nil || len(hubs) == 0:
			return fmt.Sprintf("no hub is listed (%v)", err)
		case first == 0:
			first = hubs[0].Score
		}
		if hubs[0].Score == first {
			return "the hub has sent no other heartbeat"
		}
		return ""
	})
}
