package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// slowed are settings by which a subscriber is slow early: with a queue of so many
// events, and little in the kernel.
func slowed(t *testing.T, settings ...string) []string {
	t.Helper()
	return append([]string{"HUB_REDIS_URL=" + startRedis(t).URL(), "HUB_SEND_BUFFER_BYTES=4096", "HUB_WRITE_TIMEOUT=1m"}, settings...)
}

// counted waits for the value of a metric.
func counted(t *testing.T, h *testHub, name string, want float64) {
	t.Helper()
	eventually(t, func() string {
		if n := measured(t, h, name); n != want {
			return fmt.Sprintf("%s is %v, want %v", name, n, want)
		}
		return ""
	})
}

// large is an event with a number and so many bytes.
func large(n, bytes int) string {
	return fmt.Sprintf(`{"type":"%d","data":%q}`, n, strings.Repeat("x", bytes))
}

func TestSlowSubscriberIsClosedAndOthersLoseNothing(t *testing.T) {
	t.Parallel()
	h := startHub(t, slowed(t, "HUB_BROADCAST_QUEUE_EVENTS=10")...)
	good := h.listenBoth("channel=room")
	slow := []*listener{h.stall(overSocket, "channel=room", narrow(4096)), h.stall(overSSE, "channel=room&slow=disconnect", narrow(4096))}
	for i := range 60 { // far more than the queue and the kernel's buffers
		id := h.broadcast("room", large(i, 30_000))
		for _, l := range good {
			l.hears(id...)
		}
	}
	counted(t, h, "hub_slow_subscribers_total", 2)
	// They read on at last, and learn why they are closed.
	for _, l := range slow {
		l.wake()
		last := l.over()
		if last.kind != "error" || last.answer != nil && last.answer.Code != "slow_consumer" {
			t.Errorf("the last that came was %v", last)
		}
		if code := websocket.CloseStatus(l.ended); l.conn != nil && code != 4408 {
			t.Errorf("closed with %d (%v), want 4408", code, l.ended)
		}
	}
	counted(t, h, "hub_broadcast_dropped_total", 0)
	id := h.broadcast("room", `{"data":1}`)
	for _, l := range good {
		l.hears(id...)
	}
}

// drops has a listener hear all of so many messages to each of two channels, or of
// gaps in their place, which come before the newest. It returns how many were dropped.
func (l *listener) drops(each, newest int) (dropped int) {
	l.t.Helper()
	due := map[string]int{}
	for gaps := 0; due["a"] < each || due["b"] < each; {
		x := l.next()
		var n int
		switch _, err := fmt.Sscan(x.event.Type, &n); {
		case x.kind == "gap" && x.gap.Reason == "slow_consumer" && x.gap.Dropped > 0:
			gaps++
			due[x.gap.Channel] += int(x.gap.Dropped)
			dropped += int(x.gap.Dropped)
			if left := 2*each - due["a"] - due["b"]; gaps > 2 || gaps == 2 && left != newest {
				l.t.Errorf("after gap %d there are %d messages left, want two gaps and then the newest %d", gaps, left, newest)
			}
		case x.kind != "event" || err != nil || n != due[x.event.Channel]:
			l.t.Fatalf("%.100s (%s) came, want messages %v", x, x.event.Type, due)
		default:
			due[x.event.Channel]++
		}
	}
	if due["a"] != each || due["b"] != each || dropped == 0 {
		l.t.Errorf("told of %v messages, %d of them dropped; want %d each", due, dropped, each)
	}
	return dropped
}

func TestSlowSubscriberThatDropsMissesTheOldestAndIsToldHowMany(t *testing.T) {
	t.Parallel()
	const each, queue = 60, 10
	h := startHub(t, slowed(t, fmt.Sprint("HUB_BROADCAST_QUEUE_EVENTS=", queue))...)
	const query = "channel=a&channel=b&topic=told&slow=drop"
	good := h.listenBoth(query)
	slow := []*listener{h.stall(overSocket, query, narrow(4096)), h.stall(overSSE, query, narrow(4096))}
	for i := range 2 * each {
		channel := []string{"a", "b"}[i%2]
		h.broadcast(channel, `{"topic":"untold","data":1}`) // which nobody misses
		id := h.broadcast(channel, fmt.Sprintf(`{"topic":"told","type":"%d","data":%q}`, i/2, strings.Repeat("x", 30_000)))
		for _, l := range good {
			l.hears(id...)
		}
	}
	dropped := 0
	for _, l := range slow {
		l.wake()
		dropped += l.drops(each, queue)
	}
	counted(t, h, "hub_broadcast_dropped_total", float64(dropped))
	counted(t, h, `hub_broadcast_gaps_total{reason="slow_consumer"}`, 4)
	counted(t, h, "hub_slow_subscribers_total", 0)
	id := h.broadcast("a", `{"topic":"told","data":1}`)
	for _, l := range append(slow, good...) {
		l.hears(id...) // it goes on as if nothing had been
	}
}

func TestUnsubscribeTakesBackWhatWaitsForAStalledSubscriber(t *testing.T) {
	t.Parallel()
	const total = 60
	h := startHub(t, slowed(t)...)
	l := h.stall(overSocket, "channel=room&channel=other", narrow(4096))
	for i := range total {
		h.broadcast("room", large(i, 30_000))
	}
	id := h.broadcast("other", `{"data":1}`)
	l.send(`{"type":"unsubscribe","channels":["room"]}`)
	h.broadcast("room", `{"data":"last"}`)
	occupancy(t, []*testHub{h}, "", "other 1") // it has been done
	l.wake()
	answer, before := l.answer()
	if answer.Type != "ok" || len(before) >= total {
		t.Errorf("the answer is %+v, after %d of %d messages", answer, len(before), total)
	}
	for _, x := range before {
		if x.kind != "event" || x.event.Channel != "room" {
			t.Errorf("%v came before the answer", x)
		}
	}
	l.hears(id...)
	l.hears(h.broadcast("other", `{"data":2}`)...)
}

func TestMemoryOfASubscriberThatNeverReadsIsBounded(t *testing.T) {
	t.Parallel()
	const (
		queue, kernel, theirs = 1 << 20, 64 << 10, 16 << 10 // bytes
		event                 = 20_000
		// What is waiting for the kernel beside the queue: a frame, and the events that
		// it is made of.
		frames = 2 * (64<<10 + event)
	)
	h := startHub(t, slowed(t, "HUB_MAX_EVENT_BYTES=65536", fmt.Sprint("HUB_BROADCAST_QUEUE_BYTES=", queue),
		"HUB_BROADCAST_QUEUE_EVENTS=1000000", fmt.Sprint("HUB_SEND_BUFFER_BYTES=", kernel))...)
	for slow, kind := range []string{overSocket, overSSE} {
		h.stall(kind, "channel="+kind, narrow(theirs))
		var bytes int
		for ; int(measured(t, h, "hub_slow_subscribers_total")) == slow; bytes += event {
			h.broadcast(kind, large(0, event))
			if bytes > 64<<20 {
				t.Fatalf("%s: %d MB were published, and the client is not slow", kind, bytes>>20)
			}
		}
		// Linux gives sockets twice what they ask for, to account for its own needs.
		if most := queue + 2*kernel + 2*theirs + frames; bytes < queue || bytes > most {
			t.Errorf("%s: the client was slow after %d bytes, want %d to %d", kind, bytes, queue, most)
		}
		t.Logf("%s: slow after %d bytes, %d more than the queue", kind, bytes, bytes-queue)
	}
}

func TestNeverReadersCostTheirNeighboursNothing(t *testing.T) {
	t.Parallel()
	const crowd, total, queue = 20, 200, 60
	h := startHub(t, slowed(t, fmt.Sprint("HUB_BROADCAST_QUEUE_EVENTS=", queue))...)
	var good []*listener
	for i := range crowd {
		h.stall([]string{overSocket, overSSE}[i%2], "channel=room&slow="+[]string{"disconnect", "drop"}[i/2%2], narrow(4096))
		good = append(good, h.listen([]string{overSocket, overSSE}[i%2], "channel=room"))
	}
	var ids []string
	for i := range total {
		ids = append(ids, h.broadcast("room", large(i, 5_000))...)
		if len(ids) == queue/2 || i == total-1 { // so that good ones are never slow, however loaded the machine is
			for _, l := range good {
				l.hears(ids...)
			}
			ids = nil
		}
	}
	counted(t, h, "hub_slow_subscribers_total", crowd/2)
	if n := measured(t, h, "hub_broadcast_dropped_total"); n < crowd/2 {
		t.Errorf("%v messages were dropped, want some of each who never reads", n)
	}
}
