package broker_test

import (
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// Another hub makes a group that was lost again while this one is cut off from Redis, and
// so does not hear of it: the events that went with the old one are told of all the same.
func TestAResetIsToldToWhoWasDeafThen(t *testing.T) {
	t.Parallel()
	for what, lose := range map[string]func(t *testing.T, b *broker.Broker, client *goredis.Client) error{
		"all keys are lost": func(t *testing.T, _ *broker.Broker, client *goredis.Client) error { return delAll(t, client, "hub:*") },
		"those of the stream are": func(t *testing.T, _ *broker.Broker, client *goredis.Client) error {
			return delAll(t, client, "hub:{orders}:*")
		},
		"somebody deletes the stream": func(t *testing.T, b *broker.Broker, _ *goredis.Client) error {
			return b.DeleteStream(t.Context(), "orders")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := redistest.Start(t)
			proxy := redistest.NewProxy(t, s.Addr())
			spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 20}
			c := consume(t, startBroker(t, proxy.URL()), spec)
			other := startBroker(t, s.URL())
			visit := consume(t, other, spec) // it knows the sink
			visit.Close(t.Context(), false)

			proxy.Refuse()
			if err := lose(t, other, s.Client(t)); err != nil {
				t.Fatal(err)
			}
			visit = consume(t, other, spec)
			visit.Close(t.Context(), false)
			proxy.Restore()
			if gap := awaitGap(t, c); gap.Reason != hub.GapReset || gap.Stream != "orders" {
				t.Errorf("it is told of %+v, want a reset of orders", gap)
			}
		})
	}
}

func delAll(t *testing.T, client *goredis.Client, pattern string) error {
	return client.Del(t.Context(), client.Keys(t.Context(), pattern).Val()...).Err()
}

// Nothing is lost where nothing but the connection was.
func TestWhoWasDeafIsToldOfNoReset(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 20}
	b := startBroker(t, s.URL())
	c := consume(t, b, spec)
	client := s.Client(t)
	stamp := client.HGet(t.Context(), "hub:{orders}:sink:billing", "made").Val()
	if stamp == "" {
		t.Fatal("the group has no stamp")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mustPublish(t, b, "orders", "x", 1)
	must(b.Seek(t.Context(), "billing", "orders", hub.Oldest))
	if got := client.HGet(t.Context(), "hub:{orders}:sink:billing", "made").Val(); got != stamp {
		t.Errorf("the stamp is %s after a seek, want %s", got, stamp)
	}
	looks := func() string { // of a hub that was deaf
		info := client.Info(t.Context(), "commandstats").Val()
		_, rest, _ := strings.Cut(info, "cmdstat_hget:calls=")
		n, _, _ := strings.Cut(rest, ",")
		return n
	}
	before := looks()
	must(client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err())
	eventually(t, func() string {
		if looks() == before {
			return "nobody has looked at the group"
		}
		return ""
	})
	last := mustPublish(t, b, "orders", "y", 1)[0].String()
	for deadline := time.Now().Add(patience); ; {
		d, err := c.Take()
		must(err)
		if len(d.Gaps) > 0 {
			t.Fatalf("it is told of %+v", d.Gaps)
		}
		if len(d.Events) > 0 && d.Events[len(d.Events)-1].ID == last {
			return
		}
		select {
		case <-c.Ready():
		case <-time.After(time.Until(deadline)):
			t.Fatal("the event behind does not come")
		}
	}
}

// awaitGap is the first gap that a consumer is told of.
func awaitGap(t *testing.T, c hub.Consumer) hub.Gap {
	t.Helper()
	for timeout := time.After(patience); ; {
		d, err := c.Take()
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Gaps) > 0 {
			return d.Gaps[0]
		}
		select {
		case <-c.Ready():
		case <-timeout:
			t.Fatal("no gap is told")
		}
	}
}
