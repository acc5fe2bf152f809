package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/redistest"
)

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
