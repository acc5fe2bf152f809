package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// subscribersSoon is how old the numbers of other hubs may be.
const subscribersSoon = 5 * time.Second

// subscribers is how many a channel has, as this hub knows it.
func (h *testHub) subscribers(channel string) float64 {
	h.t.Helper()
	answer := h.want(http.StatusOK, "GET", "/v1/channels/"+channel, "")
	n, known := answer["subscribers"].(float64)
	if !known || answer["channel"] != channel || len(answer) != 2 {
		h.t.Fatalf("the channel %s is told as %v", channel, answer)
	}
	return n
}

// occupied lists channels with their subscribers, page by page; query may be "".
func (h *testHub) occupied(query string) (list []string) {
	h.t.Helper()
	for cursor := ""; ; {
		answer := h.want(http.StatusOK, "GET", "/v1/channels?"+query+cursor, "")
		channels, _ := answer["channels"].([]any)
		for _, row := range channels {
			row, _ := row.(map[string]any)
			list = append(list, fmt.Sprint(row["channel"], " ", row["subscribers"]))
		}
		next, more := answer["next"].(string)
		if !more {
			return list
		}
		if len(channels) == 0 || len(list) > 10_000 {
			h.t.Fatalf("a page with a next one is %v", answer)
		}
		cursor = "&cursor=" + next
	}
}

// occupancy waits until these hubs list these channels, "name subscribers", and no
// others.
func occupancy(t *testing.T, hubs []*testHub, query string, want ...string) {
	t.Helper()
	within(t, subscribersSoon, func() string {
		for i, h := range hubs {
			if got := h.occupied(query); !slices.Equal(got, want) {
				return fmt.Sprintf("hub %d of %d lists %v, want %v", i+1, len(hubs), got, want)
			}
		}
		return ""
	})
	for _, h := range hubs {
		for _, row := range want {
			if channel, n, _ := strings.Cut(row, " "); fmt.Sprint(h.subscribers(channel)) != n {
				t.Errorf("%s has %v subscribers by itself, %s in the list", channel, h.subscribers(channel), n)
			}
		}
	}
}

func TestOccupancyIsRightOverAllHubsWithin5s(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	hubs := []*testHub{startHub(t, setting), startHub(t, setting)}
	occupancy(t, hubs, "")
	for _, h := range hubs {
		if n := h.subscribers("room-1"); n != 0 {
			t.Errorf("a channel that nobody listens to has %v subscribers", n)
		}
		answer := h.call("GET", "/v1/channels/-", "")
		if got := fmt.Sprint(answer.StatusCode, " ", answer.json(t)["code"]); got != "400 invalid_name" {
			t.Errorf("a wrong name was answered %s", got)
		}
	}
	a := hubs[0].listen(overSocket, "channel=room-1&channel=room-2")
	b := hubs[1].listen(overSocket, "channel=room-1&slow=drop&type=never")
	feed := hubs[1].listen(overSSE, "channel=room-1&channel=room-3")
	occupancy(t, hubs, "", "room-1 3", "room-2 1", "room-3 1")
	b.change("subscribe", "room-1", "room-2")
	a.change("unsubscribe", "room-1", "room-9")
	occupancy(t, hubs, "", "room-1 2", "room-2 2", "room-3 1")
	feed.leave()
	occupancy(t, hubs, "", "room-1 1", "room-2 2")
	b.leave()
	occupancy(t, hubs, "", "room-2 1")
	for name, want := range map[string][2]float64{
		"hub_broadcast_joins_total": {2, 4}, "hub_broadcast_leaves_total": {1, 4}, "hub_broadcast_subscriptions": {1, 0},
	} {
		for i, h := range hubs {
			if n := measured(t, h, name); n != want[i] {
				t.Errorf("hub %d: %s is %v, want %v", i+1, name, n, want[i])
			}
		}
	}
	a.leave()
	occupancy(t, hubs, "")
}

func TestSubscribersOfAHubThatWasKilledOrDrainedCountNoLonger(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	staying, drained, killed := startHub(t, setting), startHub(t, setting), startProcess(t, setting)
	for _, h := range []*testHub{staying, drained, killed} {
		h.listenBoth("channel=room")
	}
	occupancy(t, []*testHub{staying, drained, killed}, "", "room 6")
	if err := drained.stop(); err != nil {
		t.Errorf("the hub ended with: %v", err)
	}
	occupancy(t, []*testHub{staying, killed}, "", "room 4")
	killed.signal(syscall.SIGSTOP)
	occupancy(t, []*testHub{staying}, "", "room 2") // as if it were dead
	killed.signal(syscall.SIGCONT)
	occupancy(t, []*testHub{staying, killed}, "", "room 4")
	killed.kill()
	occupancy(t, []*testHub{staying}, "", "room 2")
}

func TestChannelsAreListedByNamePrefixAndPageOverAllHubs(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	hubs := []*testHub{startHub(t, setting), startHub(t, setting)}
	numbers := map[string]int{}
	for i, h := range hubs {
		var names []string
		for j := range 30 {
			name := fmt.Sprintf("room-%02d", i*20+j) // ten of them on both hubs
			names = append(names, name)
			numbers[name]++
		}
		h.listen(overSocket, "channel=lobby&channel="+strings.Join(names, "&channel="))
	}
	var rooms []string
	for name, n := range numbers {
		rooms = append(rooms, fmt.Sprint(name, " ", n))
	}
	slices.Sort(rooms)
	all := append([]string{"lobby 2"}, rooms...)
	occupancy(t, hubs, "", all...)
	for query, want := range map[string][]string{
		"limit=7": all, "limit=1": all, "limit=1000": all, "prefix=room-": rooms, "prefix=room-&limit=7": rooms, "prefix=room-2&limit=10": rooms[20:30],
		"prefix=room-2&limit=3": rooms[20:30], "prefix=lobby": {"lobby 2"}, "prefix=none": nil,
	} {
		for i, h := range hubs {
			if got := h.occupied(query); !slices.Equal(got, want) {
				t.Errorf("hub %d: with %s it lists %v, want %v", i+1, query, got, want)
			}
		}
	}
	for query, want := range map[string]string{
		"limit=0": "400 invalid_request ?limit", "limit=1001": "400 invalid_request ?limit", "limit=x": "400 invalid_request ?limit",
		"prefix=%00": "400 invalid_request ?prefix", "colour=red": "400 invalid_request ?colour",
	} {
		answer := hubs[0].call("GET", "/v1/channels?"+query, "")
		if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != want {
			t.Errorf("%s was refused as %s, want %s", query, got, want)
		}
	}
}

func TestOccupancyHealsWhenRedisHasForgottenIt(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	hubs := []*testHub{one, two}
	one.listen(overSocket, "channel=room&channel=hall")
	two.listen(overSSE, "channel=room")
	occupancy(t, hubs, "", "hall 1", "room 2")
	flush := func(ctx context.Context, node redis.UniversalClient) error { return node.FlushAll(ctx).Err() }
	if err := everyNode(t, server.Client(t), flush); err != nil {
		t.Fatal(err)
	}
	occupancy(t, hubs, "", "hall 1", "room 2")
}

func TestOccupancyWithoutRedisIsUnavailable(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	h := startHub(t, "HUB_REDIS_URL="+server.URL())
	h.listen(overSocket, "channel=room")
	server.Kill()
	for _, path := range []string{"/v1/channels", "/v1/channels/room"} {
		began := time.Now()
		answer := h.call("GET", path, "")
		if got := fmt.Sprint(answer.StatusCode, " ", answer.json(t)["code"]); got != "503 unavailable" || answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s was answered %s, %v", path, got, answer.Header)
		}
		if took := time.Since(began); took > 3*time.Second+leeway {
			t.Errorf("%s was answered after %s", path, took)
		}
	}
	server.Restart()
	occupancy(t, []*testHub{h}, "", "room 1")
}

func TestIdleChannelsCostRedisLittle(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprint("room-", i)
	}
	for _, h := range []*testHub{one, two} {
		h.listen(overSocket, "channel="+strings.Join(names, "&channel="))
	}
	within(t, subscribersSoon, func() string {
		if got := one.occupied("limit=1000"); len(got) != len(names) || got[0] != "room-0 2" {
			return fmt.Sprintf("%d channels are listed", len(got))
		}
		return ""
	})
	before, began := calls(t, direct)["all"], time.Now()
	<-time.After(3 * time.Second) // over which the commands are counted
	if rate := float64(calls(t, direct)["all"]-before) / time.Since(began).Seconds(); rate > 2*20 {
		t.Errorf("Redis is called %.0f times a second by two hubs with 1,000 idle channels each", rate)
	}
}
