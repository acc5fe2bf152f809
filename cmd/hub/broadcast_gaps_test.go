package main

import (
	"context"
	"fmt"
	"net/http"
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

func TestHalfOpenSubscriptionIsDeafForAtMost4s(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	behind, beside := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+server.URL())
	listeners, quiet := behind.listenBoth("channel=room"), behind.listenBoth("channel=quiet")
	elsewhere := beside.listenBoth("channel=room&channel=quiet")
	s := beside.speaker("beside")
	s.say("room")
	for _, l := range slices.Concat(listeners, elsewhere) {
		l.event()
	}
	proxy.Freeze()
	began := time.Now()
	s.flow(t, 20*time.Millisecond, "room")
	for _, l := range listeners {
		x := l.next()
		for ; x.kind == "event" && time.Since(began) < patience; x = l.next() { // was on its way
		}
		if x.gap != (missed{"room", "redis_reconnect", 0}) {
			t.Fatalf("%v came where a gap was awaited", x)
		}
		e, took := l.event(), time.Since(began)
		t.Logf("%s came %s after the connection was frozen", e.Data, took)
		if took > 5*time.Second { // 4 s are promised; the rest is for a loaded machine
			t.Errorf("deaf for %s, want 4 s at most", took)
		}
	}
	for _, l := range quiet {
		if gap := l.gap(); gap != (missed{"quiet", "redis_reconnect", 0}) {
			t.Errorf("told %+v", gap)
		}
	}
	for _, l := range elsewhere {
		if _, gaps := l.across(1, 50); gaps > 0 {
			t.Error("a subscriber was told of a gap whose hub was never cut off")
		}
	}
	// What the hub publishes over new connections is heard, too; it is no worse off than at first.
	eventually(t, func() string { return ready(behind) })
}

func TestSubscribeOverAHalfOpenConnectionIsAnsweredByWhatIsTrue(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	behind, beside := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+server.URL())
	l := behind.listen(overSocket, "channel=room")
	proxy.Freeze()
	began := time.Now()
	var before []heard
	for {
		answer, passed := l.do(`{"type":"subscribe","channels":["later"]}`)
		before = append(before, passed...)
		if took := time.Since(began); took > 5*time.Second+leeway {
			t.Fatalf("after %s the answer is still %+v", took, answer)
		}
		if answer.Type == "ok" {
			break
		}
		if answer.Code != "unavailable" {
			t.Fatalf("subscribing was answered %+v", answer)
		}
	}
	id := beside.broadcast("later", `{"data":1}`)[0]
	for x := l.next(); x.event.ID != id; x = l.next() {
		before = append(before, x)
	}
	for _, x := range before {
		if x.gap != (missed{"room", "redis_reconnect", 0}) {
			t.Errorf("told %v", x)
		}
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

// ready says why a hub is not, or how old its last probe is if that is too old.
func ready(h *testHub) string {
	answer := h.call("GET", "/readyz", "")
	age, known := answer.json(h.t)["live_probe_age_seconds"].(float64)
	if answer.StatusCode != http.StatusOK || !known || age < 0 || age > 2 {
		return string(answer.body)
	}
	return ""
}

func TestReadinessAndAMetricTellTheAgeOfTheProbe(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	eventually(t, func() string { return ready(h) })
	if age := measured(t, h, "hub_live_probe_age_seconds"); age < 0 || age > 3 {
		t.Errorf("the metric says %v", age)
	}
	proxy.Blackhole()
	eventually(t, func() string {
		if age := measured(t, h, "hub_live_probe_age_seconds"); age < 3 {
			return fmt.Sprint("the metric says ", age)
		}
		return ""
	})
	answer := h.call("GET", "/readyz", "")
	if age, _ := answer.json(t)["live_probe_age_seconds"].(float64); answer.StatusCode != http.StatusServiceUnavailable || age < 3 {
		t.Errorf("readiness is %d %s", answer.StatusCode, answer.body)
	}
	proxy.Restore()
	eventually(t, func() string { return ready(h) })
	if age := measured(t, h, "hub_live_probe_age_seconds"); age > 3 {
		t.Errorf("after all is well the metric says %v", age)
	}
}

// published is how a publish to a channel was answered: "" for 202, else the code.
func published(h *testHub, channel, body string) (code string, ids []string) {
	h.t.Helper()
	answer := h.call("POST", "/v1/broadcast/"+channel, body)
	said := answer.json(h.t)
	switch code, _ = said["code"].(string); {
	case answer.StatusCode == http.StatusAccepted:
		id, _ := said["id"].(string)
		return "", []string{id}
	case answer.StatusCode != http.StatusServiceUnavailable || code != "unavailable" && code != "unconfirmed":
		h.t.Fatalf("a publish was answered %d %s", answer.StatusCode, answer.body)
	}
	return code, nil
}

// resume publishes until it succeeds again, and returns the id.
func resume(t *testing.T, h *testHub, channel string) (id string) {
	t.Helper()
	eventually(t, func() string {
		code, ids := published(h, channel, `{"data":"again"}`)
		if code == "unconfirmed" {
			t.Fatal("with Redis back, a publish is in doubt")
		}
		if code == "" {
			id = ids[0]
		}
		return code
	})
	return id
}

func TestLostMessagesAreToldByAGapWithTheirNumber(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	far, near := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+server.URL())
	listeners, others := near.listenBoth("channel=room"), near.listenBoth("channel=other")
	speak := func(h *testHub) {
		t.Helper()
		room, other := h.broadcast("room", `{"data":0}`), h.broadcast("other", `{"data":0}`)
		for i := range listeners {
			listeners[i].hears(room...)
			others[i].hears(other...)
		}
	}
	speak(far)
	lost := 0
	for lost == 0 { // the first request in a black hole is sent, those behind it often are not
		proxy.Restore()
		id := resume(t, far, "room")
		for _, l := range listeners {
			l.hears(id)
		}
		proxy.Blackhole()
		for _, body := range []string{`[{"data":1},{"data":2},{"data":3}]`, `{"data":4}`} {
			switch code, _ := published(far, "room", body); {
			case code == "":
				t.Fatal("in a black hole a publish was answered 202")
			case code == "unconfirmed" && body[0] == '[':
				lost += 3
			case code == "unconfirmed":
				lost++
			}
		}
		proxy.CutAll() // what it holds never reaches Redis
	}
	speak(near) // others' messages do not hide it
	proxy.Restore()
	began := time.Now()
	for _, l := range listeners {
		if gap := l.gap(); gap != (missed{"room", "lost", int64(lost)}) {
			t.Errorf("told %+v, and %d messages were lost", gap, lost)
		}
	}
	t.Logf("the gap was told %s after the network was back, without another message", time.Since(began))
	if took := time.Since(began); took > 2*time.Second+leeway {
		t.Errorf("it took %s, want 2 s at most", took)
	}
	id := resume(t, far, "room")
	for _, l := range listeners {
		l.hears(id)
	}
	id = resume(t, far, "other")
	for _, l := range others {
		l.hears(id) // and nothing before
	}
	if n := measured(t, near, `hub_broadcast_gaps_total{reason="lost"}`); n != 2 {
		t.Errorf("%v gaps are counted, want 2", n)
	}
}

func TestFirstMessageToAChannelIsMissedToo(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	far, near := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+server.URL())
	channels := []string{"room-1", "room-2", "room-3", "room-4"}
	listeners := near.listenBoth("channel=" + strings.Join(channels, "&channel="))
	<-time.After(6 * time.Second) // a message that was sent sooner may have been before the subscription
	far.broadcast("elsewhere", `{"data":1}`)
	for _, channel := range channels {
		proxy.Freeze() // what is sent over the connections there are is lost
		code, id := published(far, channel, `{"data":1}`)
		proxy.CutAll()
		for _, l := range listeners {
			if code == "" { // it went over a new connection, as Redis was just being asked something else
				l.hears(id...)
			} else if gap := l.gap(); gap != (missed{channel, "lost", 1}) {
				t.Errorf("told %+v", gap)
			}
		}
		if code == "unconfirmed" {
			return
		}
	}
	t.Fatal("no message was lost")
}

func TestLateMessageDoesNotComeBehindItsGap(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	far, near := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+server.URL())
	wire := server.Client(t).Subscribe(t.Context(), "hub:live:room")
	defer wire.Close()
	listeners := near.listenBoth("channel=room")
	hears := func(id ...string) {
		t.Helper()
		for _, l := range listeners {
			l.hears(id...)
		}
	}
	hears(far.broadcast("room", `{"data":0}`)...)
	lost := 0
	for lost == 0 {
		proxy.Freeze() // the network keeps what is sent over the connections there are
		var id []string
		for code := "unsent"; code != ""; {
			if code, id = published(far, "room", fmt.Sprintf(`{"data":"late %d"}`, lost)); code == "unconfirmed" {
				lost++
			}
		}
		for _, l := range listeners {
			if lost == 0 {
				continue
			}
			if gap := l.gap(); gap != (missed{"room", "lost", int64(lost)}) {
				t.Errorf("told %+v, and %d messages are under way", gap, lost)
			}
		}
		hears(id...)
	}
	proxy.Restore()                 // now they come
	for seen := 0; seen < lost+1; { // and the one that was not lost had the next number
		m, err := wire.ReceiveTimeout(t.Context(), patience)
		if err != nil {
			t.Fatalf("%d of %d late messages came to Redis: %v", seen, lost, err)
		}
		if m, ok := m.(*redis.Message); ok && strings.Contains(m.Payload, `"late `) {
			seen++
		}
	}
	hears(resume(t, far, "room"))
}

func TestMessagesThatWereNeverSentMakeNoGap(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	far, near := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+server.URL())
	listeners := near.listenBoth("channel=room")
	hears := func(id ...string) {
		t.Helper()
		for _, l := range listeners {
			l.hears(id...)
		}
	}
	hears(far.broadcast("room", `{"data":0}`)...)
	proxy.Refuse()
	for range 3 {
		for _, body := range []string{`[{"data":1},{"data":2},{"data":3}]`, `{"data":4}`} {
			if code, _ := published(far, "room", body); code != "unavailable" {
				t.Errorf("with Redis refusing connections a publish was answered %q", code)
			}
		}
	}
	proxy.Restore()
	hears(resume(t, far, "room"))
	listeners[0].hush(2500 * time.Millisecond) // by then a hub would have told of a lost one
	hears(resume(t, far, "room"))
}
