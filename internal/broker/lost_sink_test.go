package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// On a Cluster the settings of a sink and what it has in a stream are on different
// masters, of which one may come back empty. Here the keys of one are deleted.

// lostSink is a hub with a sink that may lose keys.
type lostSink struct {
	*testing.T
	b      *broker.Broker
	client *goredis.Client
}

func newLostSink(t *testing.T) lostSink {
	s := redistest.Start(t)
	return lostSink{t, startBroker(t, s.URL()), s.Client(t)}
}

func (l lostSink) spec(streams ...string) hub.ConsumerSpec {
	return hub.ConsumerSpec{Sink: "billing", Streams: streams, Prefetch: 20}
}

// visit has a consumer come and go.
func (l lostSink) visit(streams ...string) {
	l.Helper()
	consume(l.T, l.b, l.spec(streams...)).Close(l.Context(), false)
	l.attached(streams...)
}

// attached waits until the sink's settings say that it was attached to these streams.
func (l lostSink) attached(streams ...string) {
	l.Helper()
	for _, stream := range streams {
		eventually(l.T, func() string {
			if field := l.client.HGet(l.Context(), "hub:sink:billing", "stream:"+stream).Val(); field != "1" {
				return fmt.Sprintf("the field of %s is %q", stream, field)
			}
			return ""
		})
	}
}

// empty deletes all keys of a stream.
func (l lostSink) empty(stream string) {
	l.Helper()
	keys := l.client.Keys(l.Context(), "hub:{"+stream+"}:*").Val()
	if len(keys) == 0 {
		l.Fatal("the stream has no keys")
	}
	if err := l.client.Del(l.Context(), keys...).Err(); err != nil {
		l.Fatal(err)
	}
}

func (l lostSink) publishes(stream string, n int) []hub.ID {
	l.Helper()
	ids, err := publish(l.Context(), l.b, stream, batch("x", n))
	if err != nil {
		l.Fatal(err)
	}
	return ids
}

// gets has a new consumer of a stream, which is or is not told that the sink was reset,
// and gets these events and no others.
func (l lostSink) gets(spec hub.ConsumerSpec, reset bool, want []hub.ID) {
	l.Helper()
	c, err := l.b.Consume(l.Context(), spec)
	if err != nil {
		l.Fatal(err)
	}
	defer c.Close(l.Context(), false)
	last := l.publishes(spec.Streams[0], 1) // behind all that it may get
	told, timeout := false, time.After(patience)
	var got []hub.ID
	for !slices.Contains(got, last[0]) {
		d, err := c.Take()
		if err != nil {
			l.Fatal(err)
		}
		for _, gap := range d.Gaps {
			told = told || gap.Reason == hub.GapReset && gap.Stream == spec.Streams[0]
		}
		for _, e := range d.Events {
			id, err := hub.ParseID(e.ID)
			if err != nil {
				l.Fatal(err)
			}
			got = append(got, id)
		}
		if len(d.Events)+len(d.Gaps) > 0 {
			continue
		}
		select {
		case <-c.Ready():
		case <-timeout:
			l.Fatalf("got %v, and not the last, %v", got, last)
		}
	}
	if want = append(want, last...); !slices.Equal(got, want) {
		l.Errorf("got %v, want %v", got, want)
	}
	if told != reset {
		l.Errorf("told of a reset: %v, want %v", told, reset)
	}
}

// named has the sink name a stream, and not be attached to it: as by a hub that dies then.
// It says what the stream's field is.
func (l lostSink) named(stream string) string {
	l.Helper()
	log, sink, field := "hub:{"+stream+"}:log", "hub:sink:billing", "stream:"+stream
	l.client.HDel(l.Context(), sink, field)
	l.client.Set(l.Context(), log, "no group can be made here", 0)
	if c, err := l.b.Consume(l.Context(), l.spec(stream)); err == nil {
		c.Close(l.Context(), false)
		l.Fatal("it could be attached")
	}
	l.client.Del(l.Context(), log)
	return l.client.HGet(l.Context(), sink, field).Val()
}

func TestSinkIsToldThatRedisHasLostAStreamWhileNobodyWasThere(t *testing.T) {
	t.Parallel()
	l := newLostSink(t)
	l.visit("orders")
	l.publishes("orders", 3)
	l.empty("orders")
	since := l.publishes("orders", 2)
	l.gets(l.spec("orders"), true, since)
}

func TestFromDoesNotCountForAStreamThatRedisHasLost(t *testing.T) {
	t.Parallel()
	l := newLostSink(t)
	l.visit("orders")
	l.empty("orders")
	since := l.publishes("orders", 2)
	spec := l.spec("orders")
	spec.Settings = hub.SinkSettings{hub.SettingFrom: "after:" + since[0].String()}
	c, err := l.b.Consume(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context(), false)
	if ignored := c.Info().Ignored; !slices.Equal(ignored, []string{hub.SettingFrom}) {
		t.Errorf("it was told that %v counts for nothing", ignored)
	}
	if events := take(t, c, 2); events[0].ID != since[0].String() {
		t.Errorf("got %v, want %v", events, since)
	}
}

func TestPullGetsWhatCameSinceRedisHasLostTheStream(t *testing.T) {
	t.Parallel()
	l := newLostSink(t)
	if _, _, err := l.b.Pull(t.Context(), l.spec("orders"), 10, 0); err != nil {
		t.Fatal(err)
	}
	l.attached("orders")
	l.empty("orders")
	since := l.publishes("orders", 2)
	events, _, err := l.b.Pull(t.Context(), l.spec("orders"), 10, patience)
	if err != nil || len(events) != 2 || events[0].ID != since[0].String() {
		t.Errorf("pulled %v (%v), want %v", events, err, since)
	}
}

func TestSinkThatWasNeverAttachedToAStreamBeginsWhereItSays(t *testing.T) {
	t.Parallel()
	l := newLostSink(t)
	l.visit("payments")
	if field := l.named("orders"); field == "" || field == "1" {
		t.Errorf("the field of a stream that the sink is not attached to is %q", field)
	}
	l.publishes("orders", 2)
	l.gets(l.spec("orders"), false, nil)
	l.attached("orders")
}

func TestSinkThatHadAStreamTakenBeginsThereAnew(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(l lostSink) error{
		"put": func(l lostSink) error {
			_, _, _, err := l.b.PutSink(l.Context(), "billing", hub.SinkPut{Streams: []string{"payments"}})
			return err
		},
		"delete": func(l lostSink) error { return l.b.DeleteSink(l.Context(), "billing") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLostSink(t)
			l.visit("orders", "payments")
			if err := leave(l); err != nil {
				t.Fatal(err)
			}
			l.publishes("orders", 2)
			l.gets(l.spec("orders"), false, nil)
			l.attached("orders")
		})
	}
}

func TestSinkOfAnOlderHubIsToldThatRedisHasLostAStream(t *testing.T) {
	t.Parallel()
	l := newLostSink(t)
	l.visit("payments")
	if err := l.client.HSet(t.Context(), "hub:sink:billing", "stream:orders", "1").Err(); err != nil {
		t.Fatal(err)
	}
	since := l.publishes("orders", 2)
	l.gets(l.spec("orders"), true, since)
}

// A hub that serves one stream of a sink stores it again with the others.
func TestSinkThatIsStoredAgainIsToldOfItsOtherStreams(t *testing.T) {
	t.Parallel()
	l := newLostSink(t)
	l.visit("orders", "payments")
	c := consume(t, l.b, l.spec("payments"))
	defer c.Close(t.Context(), false)
	awaitHeartbeats(t, l.client)
	if err := l.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	since := l.publishes("orders", 2)
	l.publishes("payments", 1)
	take(t, c, 1) // the group is made after the settings
	l.attached("orders", "payments")
	l.gets(l.spec("orders"), true, since)
}

// What only the settings' master has lost is taken from the stream's.
func TestSinkWhoseSettingsAreLostGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	l := newLostSink(t)
	l.visit("orders")
	since := l.publishes("orders", 2)
	if err := l.client.Del(t.Context(), "hub:sink:billing").Err(); err != nil {
		t.Fatal(err)
	}
	l.gets(l.spec("orders"), false, since)
	l.attached("orders")
}

// The streams of a sink are those that it names, attached or not.
func TestStreamIsTheSinksBeforeItIsAttached(t *testing.T) {
	t.Parallel()
	l := newLostSink(t)
	l.visit("payments")
	l.named("orders")
	page, err := l.b.Sinks(t.Context(), 1, "", func(string) bool { return true })
	if err != nil || len(page.Sinks) != 1 || !slices.Equal(page.Sinks[0].Config.Streams, []string{"orders", "payments"}) {
		t.Errorf("the sinks are %+v (%v)", page.Sinks, err)
	}
}
