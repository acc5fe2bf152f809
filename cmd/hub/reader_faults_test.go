package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"eventhub/internal/redistest"
)

func TestReadersGoOnAfterARestartOfRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	one, two := startHub(t, "HUB_REDIS_URL="+redis.URL()), startHub(t, "HUB_REDIS_URL="+redis.URL())
	id := one.publishMany("orders", 50)
	readers := two.readings("stream=orders&from=oldest")
	behind := two.dial("/v1/readers/ws?stream=orders&from=oldest")
	behind.ok(`{"type":"pause"}`)
	for _, r := range readers {
		assertRead(t, r.events(50), id)
	}
	redis.Kill()
	for _, path := range []string{"/v1/readers/ws?stream=orders", "/v1/readers/sse?stream=orders&from=oldest", "/v1/streams/orders/events", "/v1/streams/orders", "/v1/streams"} {
		asked := time.Now()
		answer := one.call("GET", path, "")
		if took := time.Since(asked); answer.StatusCode != http.StatusServiceUnavailable || answer.json(t)["code"] != "unavailable" || took > 4*time.Second {
			t.Errorf("%s without Redis: %d %s after %s", path, answer.StatusCode, answer.body, took)
		}
	}
	redis.Restart()
	for _, h := range []*testHub{one, two} {
		eventually(t, func() string { return notReady(h) })
	}
	more := one.publishMany("orders", 50)
	for _, r := range readers {
		assertRead(t, r.events(50), more)
	}
	behind.ok(`{"type":"resume"}`)
	if got := ids(behind.until(more[49])); !slices.Equal(got, append(id[50-len(got)+50:], more...)) {
		t.Errorf("who was paused got %d events out of order", len(got))
	}
}

func TestReaderOfAKilledHubResumesOnAnotherWithNothingMissingOrDoubled(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	doomed, other := startProcess(t, setting), startHub(t, setting)
	var want []string
	var publisher sync.WaitGroup
	enough := make(chan struct{})
	publisher.Go(func() {
		for {
			want = append(want, other.publishMany("orders", 7)...)
			select {
			case <-enough:
				return
			default:
			}
		}
	})
	stop := sync.OnceFunc(func() {
		close(enough)
		publisher.Wait()
	})
	defer stop()
	f := doomed.sse("/v1/readers/sse?stream=orders&from=oldest")
	s := doomed.dial("/v1/readers/ws?stream=orders&from=oldest")
	got := f.events(200)
	var overWS []event
	cursor := ""
	for len(overWS) < 200 {
		frame := s.next("events")
		overWS, cursor = append(overWS, frame.Events...), frame.Cursor
	}
	doomed.kill()
	// What has come until then is read, and the place is that behind it.
	for m := range f.messages {
		if m.kind() == "event" && m.data != "" {
			var e event
			if err := json.Unmarshal([]byte(m.data), &e); err != nil {
				t.Fatal(err)
			}
			got, f.last = append(got, e), m.id
		}
	}
	for frame := range s.frames {
		if len(frame.Events) > 0 {
			overWS, cursor = append(overWS, frame.Events...), frame.Cursor
		}
	}
	next := other.sse("/v1/readers/sse?stream=orders", "Last-Event-ID: "+f.last)
	again := other.dial("/v1/readers/ws?stream=orders&from=after:" + cursor)
	got = append(got, next.events(300)...) // while it goes on
	stop()
	last := want[len(want)-1]
	if got[len(got)-1].ID != last {
		got = append(got, next.until(last)...)
	}
	assertRead(t, got, want)
	assertRead(t, append(overWS, again.until(last)...), want)
}

func TestReadersGoOnAfterRedisWasOutOfReach(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	cut, whole := startHub(t, "HUB_REDIS_URL="+proxy.URL()), startHub(t, "HUB_REDIS_URL="+redis.URL())
	id := whole.publishMany("orders", 1)
	readers := cut.readings("stream=orders&from=oldest")
	for _, r := range readers {
		r.events(1)
	}
	proxy.Blackhole()
	id = append(id, whole.publishMany("orders", 700)...)
	eventually(t, func() string {
		if notReady(cut) == "" {
			return "the hub says that it is ready"
		}
		return ""
	})
	proxy.CutAll()
	proxy.Restore()
	id = append(id, whole.publishMany("orders", 5)...)
	for _, r := range readers {
		assertRead(t, r.until(id[len(id)-1]), id[1:])
	}
}

func TestIdleReadersCostRedisLittle(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+server.URL())
	const sockets, streams = 5, 100
	for i := range sockets {
		query := "from=oldest"
		for j := range streams {
			query += fmt.Sprintf("&stream=orders-%d-%d", i, j)
		}
		h.dial("/v1/readers/ws?" + query)
	}
	direct := server.Client(t)
	eventually(t, func() string { // what begins is over
		const interval = time.Second
		before := calls(t, direct)["all"]
		<-time.After(interval) // over which the commands are counted
		if n := calls(t, direct)["all"] - before; n > 60 {
			return fmt.Sprintf("%d idle streams take %d commands a second", sockets*streams, n)
		}
		return ""
	})
}

func TestFlushallUnderReaders(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	setting := "HUB_REDIS_URL=" + redis.URL()
	one, two := startHub(t, setting), startHub(t, setting)
	id := one.publishMany("orders", 5)
	readers := two.readings("stream=orders&from=oldest")
	for _, r := range readers {
		assertRead(t, r.events(5), id)
	}
	if err := flushAll(t, redis.Client(t)); err != nil {
		t.Fatal(err)
	}
	var fresh []string
	for i := range 3 {
		fresh = append(fresh, one.publish("orders", fmt.Sprintf(`{"data":%d}`, i)))
	}
	for name, r := range readers {
		if gap := gapOf(r); gap.Stream != "orders" || gap.Reason != "reset" {
			t.Errorf("%s: told %+v", name, gap)
		}
		assertRead(t, r.events(3), fresh)
	}
	// By a place that was before.
	if gap := gapOf(two.sse("/v1/readers/sse?stream=orders", "Last-Event-ID: "+id[4])); gap.Reason != "reset" {
		t.Errorf("an id from before: %+v", gap)
	}
}
