package broker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// scope shows the topics of these names, nil for all, and nothing of others.
type scope map[string][]string

func (s scope) See(name string) ([]string, error) {
	topics, ok := s[name]
	if !ok {
		return nil, hub.Errorf(hub.CodeForbidden, "nothing of %q may be seen", name)
	}
	return topics, nil
}

// anything is seen.
func anything(string) bool { return true }

// topical stores an event of each topic, whose data is the topic.
func topical(t *testing.T, b *broker.Broker, stream string, topics ...string) []hub.ID {
	t.Helper()
	ids, err := publish(t.Context(), b, stream, ofTopics(topics))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func ofTopics(topics []string) []hub.Event {
	events := make([]hub.Event, len(topics))
	for i, topic := range topics {
		events[i] = hub.Event{Type: "t", Topic: topic, Data: fmt.Appendf(nil, "%q", topic)}
	}
	return events
}

// TestWhatIsOutOfScopeIsForbiddenWhetherItIsThereOrNot runs on a hub that makes no
// streams, so that whoever looks for one before it asks the scope says 404.
func TestWhatIsOutOfScopeIsForbiddenWhetherItIsThereOrNot(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startWith(t, broker.Options{RedisURL: s.URL(), NoAutoCreate: true})
	for _, stream := range []string{"orders", "secret"} {
		if _, _, err := b.PutStream(t.Context(), stream, hub.DefaultStreamConfig()); err != nil {
			t.Fatal(err)
		}
	}
	allowed := scope{"orders": nil, "room": nil}
	reader := readAs(t, b, hub.ReaderSpec{Streams: []string{"orders"}, Scope: allowed})
	subscription, err := b.Subscribe(t.Context(), hub.BroadcastSpec{Channels: []string{"room"}, Scope: allowed})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(subscription.Close)
	c := consume(t, b, hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 1, Scope: allowed})
	for _, name := range []string{"secret", "absent"} {
		spec := hub.ConsumerSpec{Sink: "other", Streams: []string{"orders", name}, Prefetch: 1, Scope: allowed}
		settlement := hub.Settlement{Stream: name, Receipts: []hub.Receipt{{ID: hub.ID{MS: 1}}}, Scope: allowed}
		for what, do := range map[string]func() error{
			"Read": func() error {
				_, err := b.Read(t.Context(), hub.ReaderSpec{Streams: []string{"orders", name}, Scope: allowed})
				return err
			},
			"Reader.AddStream": func() error { _, err := reader.AddStream(t.Context(), name, hub.Latest); return err },
			"Subscribe": func() error {
				_, err := b.Subscribe(t.Context(), hub.BroadcastSpec{Channels: []string{"room", name}, Scope: allowed})
				return err
			},
			"Subscription":        func() error { return subscription.Subscribe(t.Context(), []string{"room", name}) },
			"Check":               func() error { return b.Check(t.Context(), spec) },
			"Consume":             func() error { _, err := b.Consume(t.Context(), spec); return err },
			"Pull":                func() error { _, _, err := b.Pull(t.Context(), spec, 1, 0); return err },
			"Consumer.AddStream":  func() error { _, err := c.AddStream(t.Context(), name, ""); return err },
			"Consumer.Settle":     func() error { return c.Settle(settlement, nil) },
			"Consumer.AckEach":    func() error { return c.AckEach(name, []hub.ID{{MS: 1}}, func(int, error) {}) },
			"Settle":              func() error { _, err := b.Settle(t.Context(), "billing", settlement); return err },
			"Settle, absent sink": func() error { _, err := b.Settle(t.Context(), "absent", settlement); return err },
		} {
			if err := do(); code(err) != hub.CodeForbidden {
				t.Errorf("%s of %s is answered %v, want forbidden", what, name, err)
			}
		}
	}
	if n, err := s.Client(t).Exists(t.Context(), "hub:sink:other").Result(); err != nil || n != 0 {
		t.Errorf("a sink was made for who may not consume it: %d, %v", n, err)
	}
	if channels := subscription.Channels(); !slices.Equal(channels, []string{"room"}) {
		t.Errorf("after a subscription that failed it has %q", channels)
	}
	if err := c.AckEach("orders", []hub.ID{{MS: 1}}, func(int, error) {}); err != nil {
		t.Errorf("an ack in the consumer's own stream: %v", err)
	}
}

func TestReadersSeeOnlyTheTopicsOfTheirScope(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	seen := func(r hub.Reader, n int) hub.Reading {
		t.Helper()
		reading := next(t, r, n)
		if len(reading.Gaps) > 0 {
			t.Errorf("what is hidden is told: %v", reading.Gaps)
		}
		return reading
	}
	orders := topical(t, b, "orders", "eu.de", "us.ny", "", "eu.fr", "us.la")
	topical(t, b, "payments", "eu.de", "us.ny")
	r := readAs(t, b, hub.ReaderSpec{
		Streams: []string{"orders", "payments"}, From: hub.Oldest, Topics: []string{"**"},
		Scope: scope{"orders": {"eu.**", "none"}, "payments": {"us.*"}, "more": {"eu.de"}},
	})
	reading := seen(r, 3)
	if want := orders[0]; reading.Events[0].ID != want || reading.Events[1].ID != orders[3] {
		t.Errorf("of the replay %v came", readIDs(reading.Events))
	}
	reading, err := readings(r, 0, func(hub.Reading) bool { return true })
	if place := reading.After[0]; err != nil || place.After != orders[4] {
		t.Errorf("the cursor is at %v behind %v, want %v: it goes beyond what is hidden (%v)", place, orders, orders[4], err)
	}
	topical(t, b, "orders", "us.sf", "eu.it")
	topical(t, b, "payments", "us.sf", "us.sf.x")
	seen(r, 2)
	topical(t, b, "more", "us", "eu.de", "eu.de.x")
	if _, err := r.AddStream(t.Context(), "more", hub.Oldest); err != nil {
		t.Fatal(err)
	}
	seen(r, 1)

	narrow := readAs(t, b, hub.ReaderSpec{
		Streams: []string{"orders"}, From: hub.Oldest, Topics: []string{"us.**", "eu.it"}, Scope: scope{"orders": {"eu.**"}},
	})
	reading = caught(t, narrow, 0)
	if len(reading.Events) != 1 {
		t.Errorf("the client's own filter and the scope's let %d events pass, want the one that both do", len(reading.Events))
	}
}

func TestSubscribersSeeOnlyTheTopicsOfTheirScope(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	s, err := b.Subscribe(t.Context(), hub.BroadcastSpec{
		Channels: []string{"a", "b"}, Types: []string{"t"}, Scope: scope{"a": {"eu.*"}, "b": nil, "c": {"us.*"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.Subscribe(t.Context(), []string{"a", "c"}); err != nil {
		t.Fatal(err)
	}
	for _, channel := range []string{"a", "c", "b"} {
		if _, err := b.Broadcast(t.Context(), channel, ofTopics([]string{"eu.de", "us.ny", "", "end"})); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	eventually(t, func() string {
		messages, err := s.Take(nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			topic, _ := hub.Labels(m.JSON)
			got = append(got, m.Channel+" "+topic)
		}
		if !slices.Contains(got, "b end") {
			return fmt.Sprintf("%q came", got)
		}
		return ""
	})
	slices.Sort(got)
	if want := []string{"a eu.de", "b ", "b end", "b eu.de", "b us.ny", "c us.ny"}; !slices.Equal(got, want) {
		t.Errorf("it got %q, want %q", got, want)
	}
}

func TestNewSinkIsMadeWithTheTopicsOfItsConsumersScope(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	c := consume(t, b, hub.ConsumerSpec{
		Sink: "billing", Streams: []string{"orders", "payments", "others"}, Prefetch: 10,
		Scope: scope{"orders": {"eu.**"}, "payments": {"eu.de", "eu.fr"}, "others": nil},
	})
	if topics := c.Info().Config.Topics; !slices.Equal(topics, []string{"eu.de", "eu.fr"}) {
		t.Errorf("the sink was made with the topics %q, want those that are within all that is imposed", topics)
	}
	topical(t, b, "orders", "us.ny", "eu.it", "eu.de")
	if events := take(t, c, 1); events[0].Topic != "eu.de" {
		t.Errorf("%q was delivered", events[0].Topic)
	}
	spec := hub.ConsumerSpec{Sink: "other", Streams: []string{"orders", "payments"}, Scope: scope{"orders": {"eu.**"}, "payments": {"us.**"}}}
	if err := b.Check(t.Context(), spec); code(err) != hub.CodeForbidden {
		t.Errorf("Check where no topics are within all that is imposed: %v", err)
	}
	if _, err := b.Consume(t.Context(), spec); code(err) != hub.CodeForbidden {
		t.Errorf("a sink where no topics are within all that is imposed: %v", err)
	}
}

func TestSinkThatShowsMoreThanTheScopeIsForbidden(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	put(t, b, "orders", hub.DefaultStreamConfig())
	topics := func(list ...string) hub.SinkSettings { return hub.SinkConfig{Topics: list}.Settings() }
	for sink, settings := range map[string]hub.SinkSettings{
		"all": {}, "wide": {hub.SettingTopics: topics("eu.**", "us.*")[hub.SettingTopics]}, "within": {hub.SettingTopics: topics("eu.d*")[hub.SettingTopics]},
	} {
		if _, _, _, err := b.PutSink(t.Context(), sink, hub.SinkPut{Streams: []string{"orders", "payments"}, Settings: settings}); err != nil {
			t.Fatal(err)
		}
		want := hub.CodeForbidden
		if sink == "within" {
			want = ""
		}
		spec := hub.ConsumerSpec{Sink: sink, Streams: []string{"orders"}, Prefetch: 1, Scope: scope{"orders": {"eu.**"}, "payments": {"us.**"}, "fresh": {"us.**"}}}
		for what, do := range map[string]func() error{
			"Check": func() error { return b.Check(t.Context(), spec) },
			"Pull":  func() error { _, _, err := b.Pull(t.Context(), spec, 1, 0); return err },
			"Consume": func() error {
				c, err := b.Consume(t.Context(), spec)
				if err == nil {
					defer c.Close(t.Context(), false)
					if _, err := c.AddStream(t.Context(), "fresh", ""); code(err) != hub.CodeForbidden {
						t.Errorf("a stream of which other topics are imposed is added: %v", err)
					}
					if err := c.AckEach("payments", []hub.ID{{MS: 1}}, func(int, error) {}); code(err) != hub.CodeForbidden {
						t.Errorf("events of a stream of which other topics are imposed are settled: %v", err)
					}
				}
				return err
			},
			"Settle": func() error {
				_, err := b.Settle(t.Context(), sink, hub.Settlement{Stream: "orders", Receipts: []hub.Receipt{{ID: hub.ID{MS: 1}}}, Scope: spec.Scope})
				return err
			},
		} {
			if err := do(); code(err) != want {
				t.Errorf("%s of the sink %s: %v, want %q", what, sink, err, want)
			}
		}
	}
	status, err := b.Status(t.Context(), "within")
	if err != nil || slices.Contains(status.Config.Streams, "fresh") {
		t.Errorf("a stream that was refused is the sink's all the same: %v, %v", status.Config.Streams, err)
	}
	asked := hub.ConsumerSpec{Sink: "absent", Streams: []string{"orders"}, Settings: hub.SinkSettings{hub.SettingTopics: topics("us.*")[hub.SettingTopics]}, Scope: scope{"orders": {"eu.**"}}}
	if _, err := b.Consume(t.Context(), asked); code(err) != hub.CodeForbidden {
		t.Errorf("a new sink with topics beyond those imposed: %v", err)
	}
}

func TestPullWithoutStreamsNeedsAllOfTheSinks(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := startBroker(t, s.URL())
	if _, _, _, err := b.PutSink(t.Context(), "billing", hub.SinkPut{Streams: []string{"orders", "payments"}}); err != nil {
		t.Fatal(err)
	}
	used := s.Client(t).HGet(t.Context(), "hub:sink:billing", "used").Val()
	spec := hub.ConsumerSpec{Sink: "billing", MaxBytes: 1 << 20, Scope: scope{"orders": nil}}
	if _, _, err := b.Pull(t.Context(), spec, 1, 0); code(err) != hub.CodeForbidden {
		t.Errorf("a pull of two streams by who may consume one: %v", err)
	}
	if now := s.Client(t).HGet(t.Context(), "hub:sink:billing", "used").Val(); now != used {
		t.Errorf("a pull that was refused counts as a use of the sink")
	}
	spec.Scope = scope{"orders": nil, "payments": nil}
	topical(t, b, "payments", "eu.de")
	if events, _, err := b.Pull(t.Context(), spec, 1, time.Minute); err != nil || len(events) != 1 {
		t.Errorf("%d events were pulled, %v", len(events), err)
	}
}

func TestConsumersOfASinkThatIsWidenedBeyondTheirScopeEnd(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	one, two := startBroker(t, s.URL()), startBroker(t, s.URL())
	spec := hub.ConsumerSpec{Sink: "billing", Streams: []string{"orders"}, Prefetch: 10, Scope: scope{"orders": {"eu.**"}}}
	bound := consume(t, one, spec)
	spec.Scope = nil
	free := consume(t, one, spec)
	change := func(topics ...string) {
		t.Helper()
		put := hub.SinkPut{Settings: hub.SinkSettings{hub.SettingTopics: hub.SinkConfig{Topics: topics}.Settings()[hub.SettingTopics]}}
		if _, _, _, err := two.PutSink(t.Context(), "billing", put); err != nil {
			t.Fatal(err)
		}
	}
	change("eu.de")
	topical(t, two, "orders", "eu.it", "eu.de") // one of them is left out once the change is known
	if _, err := bound.Take(); err != nil {
		t.Errorf("a change within the scope ended the consumer: %v", err)
	}
	change("eu.de", "us.ny")
	eventually(t, func() string {
		if _, err := bound.Take(); code(err) != hub.CodeForbidden {
			return fmt.Sprintf("the consumer goes on: %v", err)
		}
		return ""
	})
	if _, err := free.Take(); err != nil {
		t.Errorf("a consumer without a scope was ended: %v", err)
	}
}
