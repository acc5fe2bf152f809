package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"
)

// crowd is many readers of the same streams, each with a goroutine and little else.
type crowd struct {
	t       *testing.T
	conns   []*websocket.Conn
	reading sync.WaitGroup

	mu   sync.Mutex // protects the field below
	read [][]string // by reader: ids
}

// gather connects so many readers, some at a time.
func gather(t *testing.T, h *testHub, path string, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, conns: make([]*websocket.Conn, n), read: make([][]string, n)}
	t.Cleanup(c.leave)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var dialing sync.WaitGroup
	for range 20 {
		dialing.Go(func() {
			for i := range next {
				c.join(h.base+path, i)
			}
		})
	}
	dialing.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return c
}

// join connects one reader, and waits until it is ready.
func (c *crowd) join(url string, i int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	c.conns[i] = conn
	conn.SetReadLimit(4 << 20)
	if _, text, err := conn.Read(ctx); err != nil || !strings.Contains(string(text), `"ready"`) {
		c.t.Errorf("a reader was told %s, %v", text, err)
		return
	}
	c.reading.Go(func() {
		for {
			_, text, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			parts := strings.Split(string(text), `{"id":"`) // a decoder would take longer than the hub
			if !strings.HasPrefix(parts[0], `{"type":"events"`) {
				c.t.Errorf("a reader was told %.300s", text)
				return
			}
			c.mu.Lock()
			for _, part := range parts[1:] {
				id, _, _ := strings.Cut(part, `"`)
				c.read[i] = append(c.read[i], id)
			}
			c.mu.Unlock()
		}
	})
}

// leave ends all of them.
func (c *crowd) leave() {
	for _, conn := range c.conns {
		if conn != nil {
			_ = conn.CloseNow()
		}
	}
	c.reading.Wait()
}

// all waits until each has read this many events, which are these.
func (c *crowd) all(want []string) {
	c.t.Helper()
	eventually(c.t, func() string {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, read := range c.read {
			if len(read) < len(want) {
				return fmt.Sprintf("reader %d has %d of %d events", i, len(read), len(want))
			}
		}
		return ""
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, read := range c.read {
		if !slices.Equal(read, want) {
			c.t.Fatalf("reader %d got %d events, which are not the %d that were published, in their order", i, len(read), len(want))
		}
	}
}

// measured is a value of /metrics.
func measured(t *testing.T, h *testHub, name string) (value float64) {
	t.Helper()
	for line := range strings.Lines(string(h.call("GET", "/metrics", "").body)) {
		if n, _ := fmt.Sscanf(line, name+" %g", &value); n == 1 {
			return value
		}
	}
	t.Fatalf("/metrics lacks %s", name)
	return 0
}

// reads is how often streams were read, and how often they were looked at, which
// takes a read of one event.
func reads(t *testing.T, direct redis.UniversalClient) (reads, looks int) {
	t.Helper()
	counts := calls(t, direct)
	looks = counts["xinfo|stream"]
	return counts["xrange"] + counts["xrevrange"] + counts["xread"] - looks, looks
}

func Test1000ReadersCostRedisAsMuchAsOneAndAtMost64KiBEach(t *testing.T) {
	t.Parallel()
	server := startRedis(t)
	direct := server.Client(t)
	setting := "HUB_REDIS_URL=" + server.URL()
	// A process of its own, to be measured; it collects its garbage often.
	h, publisher := startProcess(t, setting, "GOGC=25"), startHub(t, setting)
	held := func() float64 {
		return measured(t, h, "go_memstats_heap_inuse_bytes") + measured(t, h, "go_memstats_stack_inuse_bytes")
	}
	var history []string
	history = append(history, publisher.publishMany("orders", 500)...)
	const rounds, each, readers = 20, 5, 1000

	live := func(n int) (cost int, published []string) {
		before, began := calls(t, direct), time.Now()
		for range rounds {
			published = append(published, publisher.publishMany("orders", each)...)
		}
		after := calls(t, direct)
		t.Logf("%d readers: %d events took %s, %d commands", n, rounds*each, time.Since(began), after["all"]-before["all"])
		return after["all"] - before["all"], published
	}
	read, _ := reads(t, direct)
	first := gather(t, h, "/v1/readers/ws?stream=orders&from=oldest", 1)
	first.all(history)
	replayed, _ := reads(t, direct)
	readOfOne := replayed - read
	costOfOne, published := live(1)
	history = append(history, published...)
	first.all(history)
	least := held()

	read, looked := reads(t, direct)
	connecting := time.Now()
	many := gather(t, h, "/v1/readers/ws?stream=orders&from=oldest", readers)
	many.all(history)
	took := time.Since(connecting)
	readNow, lookedNow := reads(t, direct)
	readOfMany, looks := readNow-read, lookedNow-looked
	t.Logf("the replay took %d reads for one reader; for %d %d, and %d looks, in %s", readOfOne, readers, readOfMany, looks, took)
	if most := (readOfOne + 3) * (2 + int(took/time.Second)); readOfMany > most { // history is kept for a short time
		t.Errorf("the replay for %d readers took %d reads, want at most %d", readers, readOfMany, most)
	}
	if looks > readers+20 { // those who come together share one
		t.Errorf("%d readers took %d looks", readers, looks)
	}
	began := time.Now()
	costOfMany, more := live(readers)
	many.all(append(slices.Clone(history), more...))
	first.all(append(slices.Clone(history), more...))
	if spare := 30 * (2 + int(time.Since(began)/time.Second)); costOfMany > costOfOne+spare {
		t.Errorf("Redis took %d commands with %d readers, %d with one", costOfMany, readers, costOfOne)
	}
	eventually(t, func() string {
		if grown := held() - least; grown > readers*64<<10 {
			return fmt.Sprintf("the hub holds %.0f KiB more for each of %d readers", grown/readers/1024, readers)
		}
		return ""
	})
	t.Logf("%.1f KiB for each reader", (held()-least)/readers/1024)
}
