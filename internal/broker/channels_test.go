package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"eventhub/internal/broker"
	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

func subscribe(t *testing.T, b *broker.Broker, channels ...string) hub.Subscription {
	t.Helper()
	s, err := b.Subscribe(t.Context(), hub.BroadcastSpec{Channels: channels})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// counts says what is wrong with what a hub says of all channels, page by page.
func counts(t *testing.T, b *broker.Broker, prefix string, limit int, want map[string]int64) string {
	t.Helper()
	got := map[string]int64{}
	var names []string
	for after, first := "", true; first || after != ""; first = false {
		page, err := b.Channels(t.Context(), prefix, limit, after, anything)
		if err != nil {
			return err.Error()
		}
		if len(page.Channels) > limit {
			t.Fatalf("a page has %d channels, the limit is %d", len(page.Channels), limit)
		}
		for _, c := range page.Channels {
			got[c.Channel] = c.Subscribers
			names = append(names, c.Channel)
		}
		after = page.Next
	}
	if !slices.IsSorted(names) || len(names) != len(got) {
		return fmt.Sprintf("the names are %q", names)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Sprintf("the channels are %v, want %v", got, want)
	}
	for name, n := range want {
		if status, err := b.Channel(t.Context(), name); err != nil || status.Subscribers != n {
			return fmt.Sprintf("%s has %d subscribers, want %d (%v)", name, status.Subscribers, n, err)
		}
	}
	return ""
}

func TestChannelsAreCountedOverAllHubs(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two := startBroker(t, redis.URL()), startBroker(t, redis.URL())
	agree := func(prefix string, limit int, want map[string]int64) {
		t.Helper()
		for _, b := range []*broker.Broker{one, two} {
			eventually(t, func() string { return counts(t, b, prefix, limit, want) })
		}
	}
	agree("", 10, map[string]int64{})
	subscribe(t, one, "room", "room-1", "room.x", "a")
	subscribe(t, one, "room", "room-2")
	b := subscribe(t, two, "room", "room-1", "room-3", "z")
	subscribe(t, two, "z")
	all := map[string]int64{"room": 3, "room-1": 2, "room.x": 1, "a": 1, "room-2": 1, "room-3": 1, "z": 2}
	for limit := 1; limit <= len(all)+1; limit++ {
		agree("", limit, all)
	}
	agree("room-", 2, map[string]int64{"room-1": 2, "room-2": 1, "room-3": 1})
	agree("none", 2, map[string]int64{})

	b.Unsubscribe([]string{"room", "never"})
	if err := b.Subscribe(t.Context(), []string{"a", "room-1"}); err != nil {
		t.Fatal(err)
	}
	all["room"], all["a"] = 2, 2
	agree("", 3, all)

	direct := redis.Client(t)
	if err := direct.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	agree("", 3, all)

	// A failover may bring back what was told earlier.
	for _, told := range direct.Keys(t.Context(), "hub:channels:*:told").Val() {
		direct.Set(t.Context(), told, "1", time.Minute)
		direct.ZAdd(t.Context(), strings.TrimSuffix(told, ":told"), goredis.Z{Member: "room 99"}, goredis.Z{Member: "gone 1"})
	}
	agree("", 3, all)

	b.Close()
	for _, gone := range []string{"room-3"} {
		delete(all, gone)
	}
	all["a"], all["room-1"], all["z"] = 1, 1, 1
	agree("", 3, all)
}

func TestChannelsOfAHubThatHasEndedCountNoMore(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one := startBroker(t, redis.URL())
	two, err := broker.New(broker.Options{RedisURL: redis.URL()})
	if err != nil {
		t.Fatal(err)
	}
	subscribe(t, two, "room", "other")
	eventually(t, func() string { return counts(t, one, "", 10, map[string]int64{"room": 1, "other": 1}) })
	if err := two.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if wrong := counts(t, one, "", 10, map[string]int64{}); wrong != "" {
		t.Error(wrong)
	}
}

func TestManyChannelsAreToldInPieces(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	one, two := startBroker(t, redis.URL()), startBroker(t, redis.URL())
	var names []string
	want := map[string]int64{}
	for i := range 1800 {
		names = append(names, fmt.Sprint("room-", i))
		want[names[i]] = 1
	}
	s := subscribe(t, one, names...)
	eventually(t, func() string { return counts(t, two, "", 1000, want) })
	s.Unsubscribe(names[100:])
	for _, name := range names[100:] {
		delete(want, name)
	}
	eventually(t, func() string { return counts(t, two, "", 1000, want) })
}
