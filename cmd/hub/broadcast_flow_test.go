package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"eventhub/internal/redistest"
)

func TestHubsComeAndGoAndNobodyIsToldOfAGap(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	one, two := startHub(t, setting), startHub(t, setting)
	speakers := []*speaker{one.speaker("one"), two.speaker("two")}
	var listeners []*listener
	for _, h := range []*testHub{one, two} {
		listeners = append(listeners, h.listenBoth("channel=room&channel=hall")...)
	}
	for _, s := range speakers {
		s.flow(t, 5*time.Millisecond, "room", "hall")
	}
	// guest is a hub that comes, publishes, listens, and goes in the midst of it.
	guest := func(name string, h *testHub, goes func()) {
		t.Helper()
		s := h.speaker(name)
		speakers = append(speakers, s)
		l := h.listen(overSocket, "channel=room")
		book := newLedger(t, speakers...)
		book.must("room")
		for range 20 {
			s.say("room")
			s.say("hall")
		}
		for book.due[place{name, "room"}] < 20 {
			book.note(l.next())
		}
		goes()
	}
	for i := range 2 {
		drained := startHub(t, setting)
		guest(fmt.Sprint("drained ", i), drained, func() {
			if err := drained.stop(); err != nil {
				t.Errorf("the hub ended with: %v", err)
			}
		})
		killed := startProcess(t, setting)
		guest(fmt.Sprint("killed ", i), killed, killed.kill)
	}
	// Long enough for marks, and what they might tell.
	<-time.After(2500 * time.Millisecond)
	book := make([]*ledger, len(listeners))
	for i, l := range listeners {
		book[i] = newLedger(t, speakers...)
		for _, s := range speakers {
			for _, channel := range []string{"room", "hall"} {
				book[i].latest[place{s.name, channel}] = 0
			}
		}
		book[i].must("room", "hall")
		book[i].rest(l)
	}
}

// wanderer is a subscriber that joins and leaves channels at random.
type wanderer struct {
	t    *testing.T
	h    *testHub
	rand *rand.Rand
	book *ledger
	l    *listener
}

// connect comes anew, by a socket or, for once, by an event stream.
func (w *wanderer) connect(kind string, channels []string) {
	if w.l != nil {
		w.l.leave()
	}
	w.book = newLedger(w.t, w.book.speakers...)
	w.book.may(channels...)
	w.l = w.h.listen(kind, "channel="+strings.Join(channels, "&channel="))
	w.book.must(channels...)
}

// some are one to three of them.
func (w *wanderer) some(channels []string) []string {
	mixed := slices.Clone(channels)
	w.rand.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed[:1+w.rand.IntN(min(3, len(mixed)))]
}

// step does something, and hears some messages where there are any to come.
func (w *wanderer) step(channels []string) {
	switch n := w.rand.IntN(10); {
	case n == 0:
		w.connect(overSSE, w.some(channels))
		w.hear(5)
		w.connect(overSocket, w.some(channels))
	case n == 1:
		w.connect(overSocket, w.some(channels))
	case n < 6:
		names := w.some(channels)
		w.book.may(names...)
		w.book.note(w.l.change("subscribe", names...)...)
		w.book.must(names...)
	default:
		names := w.some(channels)
		w.book.note(w.l.change("unsubscribe", names...)...)
		w.book.not(names...)
	}
	w.hear(w.rand.IntN(6))
}

func (w *wanderer) hear(n int) {
	for range n {
		if len(w.book.open) > 0 {
			w.book.note(w.l.next())
		}
	}
}

func TestSubscribersComeAndGoAndHearEverythingOnceAndNoGap(t *testing.T) {
	t.Parallel()
	setting := []string{"HUB_REDIS_URL=" + startRedis(t).URL(), "HUB_BROADCAST_QUEUE_EVENTS=100000"}
	one, two := startHub(t, setting...), startHub(t, setting...)
	channels := make([]string, 6)
	for i := range channels {
		channels[i] = fmt.Sprint("room-", i)
	}
	speakers := []*speaker{one.speaker("one"), two.speaker("two")}
	var stops []func()
	for _, s := range speakers {
		stops = append(stops, s.flow(t, time.Millisecond, channels...))
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wandering sync.WaitGroup
	wanderers := make([]*wanderer, 8)
	for i := range wanderers {
		w := &wanderer{t: t, h: []*testHub{one, two}[i%2], rand: rand.New(rand.NewPCG(seed, uint64(i))), book: newLedger(t, speakers...)}
		wanderers[i] = w
		wandering.Go(func() {
			w.connect(overSocket, w.some(channels))
			for range 60 {
				w.step(channels)
			}
		})
	}
	wandering.Wait()
	for _, stop := range stops {
		stop()
	}
	for _, w := range wanderers {
		w.book.rest(w.l)
	}
}

// hearsAfterAll wants that this event comes next; the hub may have taken its
// connection for dead meanwhile.
func (l *listener) hearsAfterAll(id string) {
	l.t.Helper()
	x := l.next()
	if x.kind == "gap" && x.gap.Reason == "redis_reconnect" {
		x = l.next()
	}
	if x.event.ID != id {
		l.t.Errorf("%v came where %s was awaited", x, id)
	}
}

func TestRedisThatStoodStillMakesNobodyBelieveThatMessagesWereLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	setting := "HUB_REDIS_URL=" + server.URL()
	one, two := startHub(t, setting), startHub(t, setting)
	for trial := range 5 {
		room := fmt.Sprint("room-", trial)
		one.broadcast(room, `{"data":0}`) // before anybody listens
		listeners := two.listenBoth("channel=" + room)
		server.Pause()
		resumed := make(chan struct{})
		time.AfterFunc(1200*time.Millisecond, func() { // as long as a fork or a script may take; publishing waits 1.5 s
			server.Resume()
			close(resumed)
		})
		code, id := published(one, room, `{"data":1}`)
		<-resumed
		if code != "" {
			continue // the machine is so loaded that the publish was in doubt
		}
		for _, l := range listeners {
			l.hearsAfterAll(id[0])
		}
		return
	}
	t.Error("Redis has answered no publish in time")
}

func TestHubThatStoodStillDoesNotBelieveThatMessagesWereLost(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	one, still := startHub(t, setting), startProcess(t, setting)
	one.broadcast("room", `{"data":0}`) // before anybody listens
	listeners := still.listenBoth("channel=room")
	still.signal(syscall.SIGSTOP)
	id := one.broadcast("room", `{"data":1}`)[0]
	<-time.After(2 * time.Second)
	still.signal(syscall.SIGCONT)
	for _, l := range listeners {
		l.hearsAfterAll(id)
	}
}
