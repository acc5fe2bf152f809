package broker_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// put makes a stream or changes it.
func put(t *testing.T, b *broker.Broker, stream string, config hub.StreamConfig) hub.StreamStatus {
	t.Helper()
	if config.OnFull == "" {
		config.OnFull = hub.OnFullDropOldest
	}
	status, _, err := b.PutStream(t.Context(), stream, config)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// gaps waits until a consumer was told of so many lost events, and returns what it
// was given meanwhile.
func gaps(t *testing.T, c hub.Consumer, lost int64) []hub.Event {
	t.Helper()
	var events []hub.Event
	var n int64
	timeout := time.After(patience)
	for n < lost {
		d, err := c.Take()
		if err != nil {
			t.Fatal(err)
		}
		for _, gap := range d.Gaps {
			if gap.Reason != hub.GapTrimmed || gap.From.Compare(gap.To) > 0 {
				t.Errorf("a gap %+v", gap)
			}
			n += gap.Events
		}
		events = append(events, d.Events...)
		if len(d.Gaps)+len(d.Events) == 0 {
			select {
			case <-c.Ready():
			case <-timeout:
				t.Fatalf("gaps of %d events came, want %d", n, lost)
			}
		}
	}
	if n != lost {
		t.Errorf("gaps of %d events came, want %d", n, lost)
	}
	return events
}

func TestSinkIsToldExactlyWhatItLost(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	put(t, one, "orders", hub.StreamConfig{MaxEvents: 100})
	spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 10, Settings: hub.SinkSettings{hub.SettingFrom: "oldest"}}
	consume(t, one, spec).Close(t.Context(), false)
	const published = 3000
	for i := range published {
		b := one
		if i%3 == 0 {
			b = two
		}
		if _, err := publish(t.Context(), b, "orders", batch(fmt.Sprint(i), 1)); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if n := s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n > 200 {
				t.Fatalf("%d events are there, with max_events 100", n)
			}
		}
	}
	var kept int64
	eventually(t, func() string {
		if kept = s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); kept != 100 {
			return fmt.Sprintf("%d events are there, with max_events 100", kept)
		}
		return ""
	})
	late := consume(t, two, spec)
	gaps(t, late, published-kept)
}

func TestSinkLosesWhatWaitsAndKeepsWhatIsDone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 10})
	c := consume(t, b, hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders"}, Prefetch: 5, Settings: hub.SinkSettings{hub.SettingAckWait: "1s"},
	})
	ids, err := publish(t.Context(), b, "orders", batch("x", 5))
	if err != nil {
		t.Fatal(err)
	}
	take(t, c, 5)
	hour := time.Hour
	nack := settlement("orders", ids[:2])
	nack.Verb, nack.Delay = hub.VerbNack, &hour
	if _, err := b.Settle(t.Context(), "billing", nack); err != nil {
		t.Fatal(err)
	}
	c.Stop()
	// All five go: two wait and are lost; of the three that are held one is
	// acknowledged late, and two fail.
	if _, err := publish(t.Context(), b, "orders", batch("y", 100)); err != nil {
		t.Fatal(err)
	}
	if settled, err := b.Settle(t.Context(), "billing", settlement("orders", ids[4:])); err != nil || len(settled.Done) != 1 {
		t.Fatalf("the ack of what retention has removed: %+v, %v", settled, err)
	}
	gaps(t, c, 2+90+2)
	c.Close(t.Context(), false)
	eventually(t, func() string {
		if status, err := b.Status(t.Context(), "billing"); err != nil || status.Streams[0].Pending != 0 || status.Streams[0].Lag != 10 {
			return fmt.Sprintf("%+v, %v", status.Streams, err)
		}
		return ""
	})
}

func TestFullStreamRejectsUntilItsSinksCatchUp(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 100, OnFull: hub.OnFullReject})
	c := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 40})
	accepted := 0
	for accepted < 95 {
		if _, err := publish(t.Context(), b, "orders", batch("x", 1)); err != nil {
			t.Fatal(err)
		}
		accepted++
	}
	for range 3 {
		if _, err := publish(t.Context(), b, "orders", batch("too many", 6)); code(err) != hub.CodeStreamFull {
			t.Fatalf("6 more events are answered %v", err)
		}
	}
	if _, err := publish(t.Context(), b, "orders", batch("y", 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "orders", batch("z", 1)); code(err) != hub.CodeStreamFull {
		t.Fatalf("one more event is answered %v", err)
	}
	if n := s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n != 100 {
		t.Errorf("%d events are stored, 100 were accepted", n)
	}
	events := take(t, c, 40)
	ids := make([]hub.ID, len(events))
	for i, e := range events {
		ids[i], _ = hub.ParseID(e.ID)
	}
	if _, err := b.Settle(t.Context(), "billing", settlement("orders", ids)); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "orders", batch("z", 40)); err != nil {
		t.Fatalf("with 40 done, 40 more are answered %v", err)
	}
	if _, err := publish(t.Context(), b, "orders", batch("z", 1)); code(err) != hub.CodeStreamFull {
		t.Fatalf("one more event is answered %v", err)
	}
	// Without a sink nothing is done, and nothing is given up.
	put(t, b, "alone", hub.StreamConfig{MaxEvents: 3, OnFull: hub.OnFullReject})
	if _, err := publish(t.Context(), b, "alone", batch("x", 3)); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "alone", batch("x", 1)); code(err) != hub.CodeStreamFull {
		t.Errorf("a stream without sinks that is full answers %v", err)
	}
}

func TestOldEventsGoOnceNoSinkOwesThem(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	status := put(t, b, "orders", hub.StreamConfig{MaxAge: time.Second})
	if status.Config.MaxAge != time.Second || status.Config.MaxEvents != 0 {
		t.Errorf("it is %+v", status.Config)
	}
	c := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 2})
	ids, err := publish(t.Context(), b, "orders", batch("x", 5))
	if err != nil {
		t.Fatal(err)
	}
	take(t, c, 2)
	if _, err := b.Settle(t.Context(), "billing", settlement("orders", ids[:1])); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if status, err := b.Stream(t.Context(), "orders"); err != nil || status.Events != 4 || status.First != ids[1] {
			return fmt.Sprintf("what is acknowledged is to go: %+v, %v", status, err)
		}
		return ""
	})
	eventually(t, func() string {
		if p, err := b.Prune(t.Context(), "orders", true); err != nil || p.Events != 0 || !slices.Equal(p.Owed, []string{"billing"}) {
			return fmt.Sprintf("a dry prune tells %+v, %v", p, err)
		}
		return ""
	})
	if err := b.DeleteSink(t.Context(), "billing"); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Prune(t.Context(), "orders", true); err != nil || p.Events != 4 || p.Last != ids[4] || len(p.Owed) != 0 {
		t.Errorf("without the sink a dry prune tells %+v, %v", p, err)
	}
	if p, err := b.Prune(t.Context(), "orders", false); err != nil || p.Events != 4 || p.Last != ids[4] {
		t.Errorf("without the sink a prune tells %+v, %v", p, err)
	}
	if status, err := b.Stream(t.Context(), "orders"); err != nil || status.Events != 0 || status.Last != ids[4] {
		t.Errorf("an empty stream is %+v, %v", status, err)
	}
}

func TestSmallerBoundRemovesAtOnceWhatIsBeyond(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	for range 5 {
		if _, err := publish(t.Context(), b, "orders", batch("x", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 7})
	if p, err := b.Prune(t.Context(), "orders", false); err != nil || p.Events > 4993 {
		t.Errorf("the prune tells %+v, %v", p, err)
	}
	if status, err := b.Stream(t.Context(), "orders"); err != nil || status.Events != 7 {
		t.Errorf("it is %+v, %v", status, err)
	}
}

func TestSmallerBoundCountsWhicheverHubWasAsked(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, b := range []*broker.Broker{startBroker(t, s.URL()), startBroker(t, s.URL())} { // the first does the housekeeping
		stream := "orders-" + b.Name()
		if _, err := publish(t.Context(), b, stream, batch("x", 500)); err != nil {
			t.Fatal(err)
		}
		put(t, b, stream, hub.StreamConfig{MaxEvents: 7})
		eventually(t, func() string {
			if n := s.Client(t).XLen(t.Context(), "hub:{"+stream+"}:log").Val(); n != 7 {
				return fmt.Sprintf("%d events are there", n)
			}
			return ""
		})
		put(t, b, stream, hub.StreamConfig{MaxEvents: 5}) // and nothing is published near it
		eventually(t, func() string {
			if n := s.Client(t).XLen(t.Context(), "hub:{"+stream+"}:log").Val(); n != 5 {
				return fmt.Sprintf("%d events are there", n)
			}
			return ""
		})
	}
}

func TestStreamEndsWithItsTTL(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	ended := time.Now().Add(700 * time.Millisecond)
	put(t, b, "absolute", hub.StreamConfig{TTL: 700 * time.Millisecond})
	put(t, b, "sliding", hub.StreamConfig{TTL: 700 * time.Millisecond, Sliding: true})
	gone := false
	for !gone {
		for _, stream := range []string{"absolute", "sliding"} {
			if _, err := b.Publish(t.Context(), hub.Publication{Stream: stream, IfExists: true, Events: batch("x", 1)}); code(err) == hub.CodeStreamNotFound {
				if stream == "sliding" {
					t.Fatal("the stream ends while events come")
				}
				gone = true
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(ended) > patience {
			t.Fatal("the stream does not end")
		}
	}
	if time.Now().Before(ended) {
		t.Error("the stream has ended before its time")
	}
	eventually(t, func() string {
		if _, err := b.Stream(t.Context(), "sliding"); code(err) != hub.CodeStreamNotFound {
			return fmt.Sprint("the other is still there: ", err)
		}
		if keys := s.Client(t).Keys(t.Context(), "hub:{*").Val(); len(keys) > 0 {
			return fmt.Sprint("keys are left: ", keys)
		}
		if page, err := b.Streams(t.Context(), "", 10, "", anything); err != nil || len(page.Streams) > 0 {
			return fmt.Sprintf("they are listed: %+v, %v", page, err)
		}
		return ""
	})
}

func TestForeignStreamsAreTrimmedToo(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startWith(t, broker.Options{RedisURL: s.URL(), Stream: hub.StreamConfig{MaxEvents: 10, OnFull: hub.OnFullDropOldest}})
	if _, err := publish(t.Context(), b, "orders", batch("x", 1)); err != nil {
		t.Fatal(err)
	}
	consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 1})
	pipe := s.Client(t).Pipeline()
	for i := range 200 {
		pipe.Do(t.Context(), "xadd", "hub:{orders}:log", "*", "n", i)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if n := s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n > 10 {
			return fmt.Sprintf("%d events are there, with max_events 10", n)
		}
		return ""
	})
}

func TestRetentionGoesOnThoughMemoryIsFull(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	if _, err := publish(t.Context(), b, "orders", batch("x", 500)); err != nil {
		t.Fatal(err)
	}
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 400})
	if err := s.Client(t).ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "orders", batch("x", 1)); code(err) != hub.CodeStorageFull {
		t.Errorf("a publish is answered %v", err)
	}
	if p, err := b.Prune(t.Context(), "orders", false); err != nil {
		t.Errorf("a prune is answered %+v, %v", p, err)
	}
	if status, err := b.Stream(t.Context(), "orders"); err != nil || status.Events != 400 {
		t.Errorf("the stream is %+v, %v", status, err)
	}
}

func TestWhatWaitsForAConsumerAndIsRemovedIsCounted(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 10})
	c := consume(t, b, hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders"}, Prefetch: 5, Settings: hub.SinkSettings{hub.SettingAckWait: "1s"},
	})
	if _, err := publish(t.Context(), b, "orders", batch("x", 5)); err != nil {
		t.Fatal(err)
	}
	// They wait in the hub for longer than 5 % of ack_wait, so that they are to be
	// stamped anew.
	eventually(t, func() string {
		pending := s.Client(t).XPendingExt(t.Context(), &redis.XPendingExtArgs{
			Stream: "hub:{orders}:log", Group: "billing", Start: "-", End: "+", Count: 5, Idle: 100 * time.Millisecond,
		}).Val()
		if len(pending) < 5 {
			return fmt.Sprintf("%d events wait in the hub", len(pending))
		}
		return ""
	})
	if _, err := publish(t.Context(), b, "orders", batch("y", 100)); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range gaps(t, c, 95) {
		seen[e.ID] = true
	}
	c.Stop()
	if len(seen) > 10 {
		t.Errorf("%d events were delivered besides, want 10 at most", len(seen))
	}
}

func TestExtendedEventThatWasRemovedIsCounted(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 10})
	c := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 5})
	ids, err := publish(t.Context(), b, "orders", batch("x", 5))
	if err != nil {
		t.Fatal(err)
	}
	take(t, c, 5)
	c.Stop()
	if _, err := publish(t.Context(), b, "orders", batch("y", 100)); err != nil {
		t.Fatal(err)
	}
	gaps(t, c, 90)
	extend := settlement("orders", ids)
	extend.Verb = hub.VerbExtend
	if settled, err := b.Settle(t.Context(), "billing", extend); err != nil || len(settled.NotPending) != 5 {
		t.Errorf("extending what is gone: %+v, %v", settled, err)
	}
	gaps(t, c, 5)
}

func TestSinkIsToldThatItsStreamHasEndedWhileNobodyWasThere(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	put(t, b, "orders", hub.StreamConfig{TTL: 300 * time.Millisecond})
	spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 5}
	consume(t, b, spec).Close(t.Context(), false)
	if _, err := publish(t.Context(), b, "orders", batch("x", 5)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if _, err := b.Stream(t.Context(), "orders"); code(err) != hub.CodeStreamNotFound {
			return fmt.Sprint("it is still there: ", err)
		}
		return ""
	})
	c, err := b.Consume(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context(), false)
	if d, err := c.Take(); err != nil || len(d.Gaps) != 1 || d.Gaps[0].Reason != hub.GapReset {
		t.Errorf("it is told %+v, %v", d, err)
	}
}

func TestSameTTLAgainDoesNotStartItAnew(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	put(t, b, "orders", hub.StreamConfig{TTL: time.Hour})
	if err := s.Client(t).PExpire(t.Context(), "hub:{orders}:cfg", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	put(t, b, "orders", hub.StreamConfig{TTL: time.Hour, MaxEvents: 5})
	if left := s.Client(t).PTTL(t.Context(), "hub:{orders}:cfg").Val(); left > time.Minute {
		t.Errorf("it has %s left", left)
	}
	put(t, b, "orders", hub.StreamConfig{TTL: 2 * time.Hour})
	if left := s.Client(t).PTTL(t.Context(), "hub:{orders}:cfg").Val(); left < time.Hour {
		t.Errorf("with another ttl it has %s left", left)
	}
}

func TestOtherProgramsGroupsKeepNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 3, OnFull: hub.OnFullReject})
	c := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 5})
	if err := s.Client(t).XGroupCreate(t.Context(), "hub:{orders}:log", "audit", "0").Err(); err != nil {
		t.Fatal(err)
	}
	ids, err := publish(t.Context(), b, "orders", batch("x", 3))
	if err != nil {
		t.Fatal(err)
	}
	take(t, c, 3)
	if _, err := b.Settle(t.Context(), "billing", settlement("orders", ids)); err != nil {
		t.Fatal(err)
	}
	if _, err := publish(t.Context(), b, "orders", batch("y", 3)); err != nil {
		t.Error(err)
	}
}

func TestBoundIsLoweredThoughMemoryIsFull(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	if _, err := publish(t.Context(), b, "orders", batch("x", 500)); err != nil {
		t.Fatal(err)
	}
	if err := s.Client(t).ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 5})
	eventually(t, func() string {
		if n := s.Client(t).XLen(t.Context(), "hub:{orders}:log").Val(); n != 5 {
			return fmt.Sprintf("%d events are there", n)
		}
		return ""
	})
}

func TestLargeEventsAreRemovedInSmallPieces(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	large := hub.Event{Data: []byte(`"` + strings.Repeat("x", 1<<20-2) + `"`)}
	const n = 100
	for range n {
		if _, err := publish(t.Context(), b, "orders", []hub.Event{large}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, b, "orders", hub.StreamConfig{MaxEvents: 1})
	if err := s.Client(t).ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if p, err := b.Prune(t.Context(), "orders", true); err != nil || p.Events == 0 {
		t.Errorf("a dry prune tells %+v, %v", p, err)
	}
	if p, err := b.Prune(t.Context(), "orders", false); err != nil {
		t.Errorf("a prune tells %+v, %v", p, err)
	}
	if status, err := b.Stream(t.Context(), "orders"); err != nil || status.Events != 1 {
		t.Errorf("it is %+v, %v", status, err)
	}
	// A script of one piece copies some MiB, whatever there is.
	stats := s.Client(t).Info(t.Context(), "commandstats").Val()
	if !regexp.MustCompile(`cmdstat_evalsha:calls=\d\d`).MatchString(stats) {
		t.Errorf("%d MiB were looked at by few scripts: %s", n, stats)
	}
}
