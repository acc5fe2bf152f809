package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

// everyNode does something on each node of a cluster, or on the only server.
func everyNode(t *testing.T, direct redis.UniversalClient, do func(context.Context, redis.UniversalClient) error) error {
	t.Helper()
	if cluster, ok := direct.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error { return do(ctx, node) })
	}
	return do(t.Context(), direct)
}

// killSubscriptions closes all pub/sub connections.
func killSubscriptions(t *testing.T, direct redis.UniversalClient) {
	t.Helper()
	kill := func(ctx context.Context, node redis.UniversalClient) error {
		return node.ClientKillByFilter(ctx, "TYPE", "pubsub").Err()
	}
	if err := everyNode(t, direct, kill); err != nil {
		t.Fatal(err)
	}
}

// across has a listener hear numbered messages from due on, up to one that is at
// least last. Where one is missing, a gap came just before. It returns the number that
// is due next, and how many gaps came.
func (l *listener) across(due, last int) (next, gaps int) {
	l.t.Helper()
	for announced := false; due <= last; {
		x := l.next()
		switch n, err := strconv.Atoi(string(x.event.Data)); {
		case x.kind == "gap":
			announced = true
			gaps++
		case x.kind != "event" || err != nil || n < due:
			l.t.Fatalf("%v came where %d was due", x, due)
		case n > due && !announced:
			l.t.Fatalf("%d came where %d was due, and no gap between them", n, due)
		default:
			due, announced = n+1, false
		}
	}
	return due, gaps
}

func TestCutSubscriptionIsRepairedAndWhatIsMissingAnnounced(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	listeners := slices.Concat(one.listenBoth("channel=room"), two.listenBoth("channel=room"))
	s := two.speaker("two")
	for i := range 50 {
		s.say("room")
		if i == 20 {
			killSubscriptions(t, direct)
		}
	}
	stop := s.flow(t, 20*time.Millisecond, "room") // all 50 may have been missed
	for _, l := range listeners {
		if _, gaps := l.across(0, 50); gaps > 1 {
			t.Errorf("one cut was announced by %d gaps", gaps)
		}
	}
	stop()
	// Who comes later has missed nothing, and neither have the others from now on.
	late := slices.Concat(one.listenBoth("channel=room"), two.listenBoth("channel=room"))
	id := one.broadcast("room", `{"key":"last","data":-1}`)
	for _, l := range late {
		l.hears(id...)
	}
	for _, l := range listeners {
		for e := l.event(); e.ID != id[0]; e = l.event() {
			if e.Key != "two" {
				t.Errorf("%s of %s came", e.Data, e.Key)
			}
		}
	}
}

func TestCutSubscriptionIsAnnouncedThoughNobodySpeaks(t *testing.T) {
	t.Parallel()
	server, one, two := twoHubs(t)
	direct := server.Client(t)
	listeners := slices.Concat(one.listenBoth("channel=a&channel=b"), two.listenBoth("channel=a&channel=b"))
	killSubscriptions(t, direct)
	began := time.Now()
	for _, l := range listeners {
		told := []string{fmt.Sprint(l.gap()), fmt.Sprint(l.gap())}
		if slices.Sort(told); !slices.Equal(told, []string{"{a redis_reconnect 0}", "{b redis_reconnect 0}"}) {
			t.Errorf("the listener was told %v", told)
		}
	}
	if took := time.Since(began); took > 2*time.Second+leeway {
		t.Errorf("it took %s, want 2 s at most", took)
	}
	for _, l := range listeners {
		l.hears(one.broadcast("a", `{"data":1}`)...)
		for _, other := range listeners {
			if other != l {
				other.event()
			}
		}
	}
	for _, h := range []*testHub{one, two} {
		if n := measured(t, h, `hub_broadcast_gaps_total{reason="redis_reconnect"}`); n != 4 {
			t.Errorf("%v gaps are counted, want those 4 that were told", n)
		}
	}
}

func TestCutOfManyChannelsIsAnnouncedOnEachAndNobodyIsSlowForIt(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+server.URL(), "HUB_BROADCAST_QUEUE_EVENTS=100")
	const channels = 500 // each of which is a gap
	var names []string
	for i := range channels {
		names = append(names, fmt.Sprint("room-", i))
	}
	query := "channel=" + strings.Join(names, "&channel=")
	listeners := append(h.listenBoth(query), h.listenBoth(query+"&slow=drop")...)
	killSubscriptions(t, server.Client(t))
	for _, l := range listeners {
		told := map[string]bool{}
		for len(told) < channels {
			gap := l.gap()
			if gap.Reason != "redis_reconnect" || told[gap.Channel] {
				t.Fatalf("told %+v, after %d others", gap, len(told))
			}
			told[gap.Channel] = true
		}
	}
	id := h.broadcast("room-7", `{"data":1}`)
	for _, l := range listeners {
		l.hears(id...)
	}
}

func TestWhoComesDuringAnOutageHasMissedNothing(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	was, comes := h.listen(overSocket, "channel=room"), h.listen(overSocket, "channel=other")
	proxy.Refuse()
	eventually(t, func() string { // at first the hub may not know
		answer, _ := comes.do(`{"type":"subscribe","channels":["room"]}`)
		if answer.Code == "unavailable" {
			return ""
		}
		comes.change("unsubscribe", "room")
		return fmt.Sprintf("without Redis it is answered %+v", answer)
	})
	comes.send(`{"type":"subscribe","channels":["room"]}`)
	proxy.Restore()
	hears := func(x heard) heard { // of what happened to the other channel, it may
		if x.gap == (missed{"other", "redis_reconnect", 0}) {
			return comes.next()
		}
		return x
	}
	if x := hears(comes.next()); x.kind != "ok" {
		t.Fatalf("told %v", x)
	}
	if gap := was.gap(); gap != (missed{"room", "redis_reconnect", 0}) {
		t.Errorf("told %+v", gap)
	}
	id := resume(t, h, "room")
	was.hears(id)
	if x := hears(comes.next()); x.event.ID != id {
		t.Errorf("told %v, want what came first", x)
	}
}

func TestRedisRestartIsAnnouncedAndTheFlowGoesOn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	setting := "HUB_REDIS_URL=" + server.URL()
	one, two := startHub(t, setting), startHub(t, setting)
	listeners := slices.Concat(one.listenBoth("channel=room"), two.listenBoth("channel=room"))
	id := one.broadcast("room", `{"data":1}`)
	for _, l := range listeners {
		l.hears(id...)
	}
	server.Restart()
	for _, l := range listeners {
		if gap := l.gap(); gap != (missed{"room", "redis_reconnect", 0}) {
			t.Errorf("told %+v", gap)
		}
	}
	for _, h := range []*testHub{one, two} {
		id := resume(t, h, "room")
		for _, l := range listeners {
			l.hears(id)
		}
	}
}
