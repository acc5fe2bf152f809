package broker

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"eventhub/internal/hub"
)

func newFanRig(t *testing.T) *fan {
	t.Helper()
	b := &Broker{}
	return newFan(QueueLimits{Events: 1000, Bytes: 1 << 20}, "live:", newLiveRig(t), newMetrics(prometheus.NewRegistry(), b), slog.New(slog.DiscardHandler))
}

func (f *fan) subscriber(filter *hub.Filter) *subscriber {
	return &subscriber{fan: f, filter: filter, rooms: map[string]*member{}, ready: newSignal(nil)}
}

// got takes all that waits: events by their data, gaps by their reason.
func got(t interface{ Fatal(args ...any) }, s *subscriber) (list []string) {
	messages, err := s.Take(nil, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Gap != nil {
			list = append(list, fmt.Sprintf("%s %s %d", m.Channel, m.Gap.Reason, m.Gap.Dropped))
			continue
		}
		list = append(list, string(m.JSON))
	}
	return list
}

func numbered(n uint64, json string) string {
	return string(stamp{hub: "hub-a", epoch: 1, n: n}.append(nil)) + json
}

// TestWhoIsInARoomGetsOneCopy has subscribers come and go at random.
func TestWhoIsInARoomGetsOneCopy(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		f := newFanRig(t)
		channels := []string{"a", "b", "c"}
		some := func(r *rapid.T) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(channels), 1, 3, rapid.ID[string]).Draw(r, "channels")
		}
		subscribers := make([]*subscriber, 4)
		in := make([]map[string]bool, len(subscribers))
		for i := range subscribers {
			subscribers[i], in[i] = f.subscriber(nil), map[string]bool{}
		}
		published := map[string]uint64{}
		r.Repeat(map[string]func(*rapid.T){
			"join": func(r *rapid.T) {
				i := rapid.IntRange(0, len(subscribers)-1).Draw(r, "subscriber")
				names := some(r)
				fresh, _ := f.join(subscribers[i], names)
				for _, name := range names {
					if slices.Contains(fresh, name) == in[i][name] {
						r.Fatalf("%s is fresh: %v", name, fresh)
					}
					in[i][name] = true
				}
			},
			"leave": func(r *rapid.T) {
				i := rapid.IntRange(0, len(subscribers)-1).Draw(r, "subscriber")
				names := some(r)
				subscribers[i].Unsubscribe(names)
				for _, name := range names {
					delete(in[i], name)
				}
			},
			"publish": func(r *rapid.T) {
				name := rapid.SampledFrom(channels).Draw(r, "channel")
				published[name]++
				f.deliver("live:"+name, numbered(published[name], name))
				for i, s := range subscribers {
					var want []string
					if in[i][name] {
						want = []string{name}
					}
					if list := got(r, s); !slices.Equal(list, want) {
						r.Fatalf("subscriber %d got %q, want %q", i, list, want)
					}
				}
			},
			"": func(r *rapid.T) {
				for _, name := range channels {
					members := 0
					for i := range in {
						if in[i][name] {
							members++
						}
					}
					if f.members(name) != members || (f.rooms[name] == nil) != (members == 0) {
						r.Fatalf("%s has %d members, want %d", name, f.members(name), members)
					}
				}
			},
		})
	})
}

func TestGapIsToldToWhoWasThere(t *testing.T) {
	t.Parallel()
	f := newFanRig(t)
	here, elsewhere := f.subscriber(nil), f.subscriber(nil)
	f.join(here, []string{"room"})
	f.join(elsewhere, []string{"other"})
	f.confirmed("room", false)
	f.deliver("live:room", numbered(1, "1"))
	f.deliver("live:room", numbered(4, "4"))
	late := f.subscriber(nil)
	f.join(late, []string{"room"}) // the connection has gone, and Redis has not confirmed it on the next
	f.confirmed("room", true)
	f.deliver("live:room", numbered(9, "9")) // what was before is in the gap already
	f.deliver("live:room", numbered(10, ""))
	for s, want := range map[*subscriber][]string{
		here:      {"1", "room lost 2", "4", "room redis_reconnect 0", "9", "room lost 1"},
		late:      {"9", "room lost 1"},
		elsewhere: nil,
	} {
		if list := got(t, s); !slices.Equal(list, want) {
			t.Errorf("it got %q, want %q", list, want)
		}
	}
}

func TestFiltersLookAtTopicAndType(t *testing.T) {
	t.Parallel()
	f := newFanRig(t)
	filter, err := hub.NewFilter([]string{"eu.*"}, []string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	some, all := f.subscriber(filter), f.subscriber(nil)
	f.join(some, []string{"room"})
	f.join(all, []string{"room"})
	var events []string
	for i, e := range []hub.Event{
		{Topic: "eu.de", Type: "a"}, {Topic: "us", Type: "a"}, {Topic: "eu.fr", Type: "b"}, {Topic: "eu.fr"}, {Type: "a"}, {Topic: "eu.de.x", Type: "b"},
	} {
		e.ID, e.Channel, e.Data = fmt.Sprint(i), "room", []byte(`1`)
		events = append(events, string(e.AppendJSON(nil)))
		f.deliver("live:room", numbered(uint64(i+1), events[i]))
	}
	f.deliver("live:room", `{"topic":"eu.de","type":"a"}`) // another program's
	if list := got(t, some); !slices.Equal(list, []string{events[0], events[2]}) {
		t.Errorf("it got %q", list)
	}
	if list := got(t, all); len(list) != 7 {
		t.Errorf("without a filter it got %q", list)
	}
}

func TestWhoIsTooSlowIsEndedAndHoldsNothing(t *testing.T) {
	t.Parallel()
	f := newFanRig(t)
	f.limits = QueueLimits{Events: 2, Bytes: 100}
	slow, drops := f.subscriber(nil), f.subscriber(nil)
	drops.drops = true
	f.join(slow, []string{"room"})
	f.join(drops, []string{"room"})
	for i := range 5 {
		f.deliver("live:room", numbered(uint64(i+1), fmt.Sprint(i)))
	}
	if _, err := slow.Take(nil, 1<<20); hub.AsError(err).Code != hub.CodeSlowConsumer || slow.waiting.len() > 0 {
		t.Errorf("it failed with %v and holds %d", err, slow.waiting.len())
	}
	if list, want := got(t, drops), []string{"room slow_consumer 3", "3", "4"}; !slices.Equal(list, want) {
		t.Errorf("who drops got %q, want %q", list, want)
	}
}
