package broker

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
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
		list = append(list, strings.TrimSuffix(strings.TrimPrefix(string(m.JSON), `{"id":"`), `"}`))
	}
	return list
}

// numbered is what a hub sends: an event with this id, or a mark where that is "".
func numbered(n uint64, id string) string {
	line := string(stamp{hub: "hub-a", epoch: 1, n: n}.append(nil))
	if id == "" {
		return line
	}
	return line + `{"id":"` + id + `"}`
}

// enter has a subscriber join rooms that Redis confirms at once.
func (f *fan) enter(s *subscriber, channels ...string) (fresh []string) {
	fresh, _ = f.join(s, channels, nil)
	for _, name := range fresh {
		f.confirmed(name, false)
	}
	return fresh
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
				fresh := f.enter(subscribers[i], names...)
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
	f.enter(here, "room")
	f.enter(elsewhere, "other")
	f.deliver("live:room", numbered(1, "1"))
	f.deliver("live:room", numbered(4, "4"))
	late := f.subscriber(nil)
	f.join(late, []string{"room"}, nil) // the connection has gone, and Redis has not confirmed it on the next
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
	f.enter(some, "room")
	f.enter(all, "room")
	var events []string
	for i, e := range []hub.Event{
		{Topic: "eu.de", Type: "a"}, {Topic: "us", Type: "a"}, {Topic: "eu.fr", Type: "b"}, {Topic: "eu.fr"}, {Type: "a"}, {Topic: "eu.de.x", Type: "b"},
	} {
		e.ID, e.Channel, e.Data = fmt.Sprint(i), "room", []byte(`1`)
		event := string(e.AppendJSON(nil))
		events = append(events, strings.TrimSuffix(strings.TrimPrefix(event, `{"id":"`), `"}`))
		f.deliver("live:room", string(stamp{hub: "hub-a", epoch: 1, n: uint64(i + 1)}.append(nil))+event)
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
	f.enter(slow, "room")
	f.enter(drops, "room")
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

func TestWhoDoesNotHearYetIsGivenNothing(t *testing.T) {
	t.Parallel()
	f := newFanRig(t)
	s := f.subscriber(nil)
	f.join(s, []string{"room"}, nil)
	f.deliver("live:room", numbered(1, "1")) // of a subscription that is about to end
	f.deliver("live:room", numbered(3, "3"))
	f.confirmed("room", false)
	f.deliver("live:room", numbered(6, "6"))
	if list := got(t, s); !slices.Equal(list, []string{"6"}) {
		t.Errorf("it got %q", list)
	}
}
