package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSlowAttackersAreLetGoAndCostNobodyElse is the short form of `make attack`, which
// has 2,000 and 200 of them and measures what they cost.
func TestSlowAttackersAreLetGoAndCostNobodyElse(t *testing.T) {
	t.Parallel()
	const slowloris, drips = 200, 20
	keys := newKeyFile(t)
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), keys.setting())
	boss := h.by(keys.text["boss"])
	good := boss.dial("/v1/readers/ws?stream=orders")
	var attacking sync.WaitGroup
	over := make(chan struct{})
	// attack writes a byte a second until the hub ends it, and says how long that took.
	attack := func(name string, conn *raw, text []byte, most time.Duration, ends func() error) {
		began := time.Now()
		ended := make(chan error, 1)
		attacking.Go(func() { ended <- ends() })
		attacking.Go(func() {
			beat := time.NewTicker(time.Second)
			defer beat.Stop()
			for i := 0; ; i++ {
				select {
				case err := <-ended:
					if took := time.Since(began); err != nil || took > most+leeway+time.Second {
						t.Errorf("%s ended after %s: %v; want %s at most", name, took.Round(time.Millisecond), err, most)
					}
					return
				case <-beat.C:
					_, _ = conn.Write(text[i%len(text) : i%len(text)+1]) // an error is the end, which is read
				}
			}
		})
	}
	for range slowloris {
		conn := h.raw(t)
		_, _ = fmt.Fprint(conn.Conn, "POST /v1/streams/orders/events HTTP/1.1\r\nHost: localhost\r\n")
		attack("a slow header", conn, []byte("X-A: b\r\n"), 5*time.Second, func() error {
			for {
				if _, err := conn.ReadByte(); err != nil {
					return nil //nolint:nilerr // however it ends
				}
			}
		})
	}
	for i := range drips {
		conn := h.upgraded(t, "/v1/readers/ws?stream=orders", keys.text["boss"])
		if i%2 == 0 { // in the header of a frame, which then announces much more than comes
			_, _ = conn.Write([]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0})
		} else {
			_, _ = conn.Write(masked(0x81, strings.Repeat("x", 100))[:7])
		}
		attack("a dripping frame", conn, []byte(" "), 30*time.Second, func() error {
			if code := conn.closeCode(); code != 4408 {
				return fmt.Errorf("closed with %d, want 4408", code)
			}
			return nil
		})
	}
	go func() {
		attacking.Wait()
		close(over)
	}()
	published, slowest := 0, time.Duration(0)
	for attacked := true; attacked; {
		select {
		case <-over:
			attacked = false
		default:
		}
		began := time.Now()
		if answer := boss.call("POST", "/v1/streams/orders/events", `{"data":1}`); answer.StatusCode != http.StatusCreated {
			t.Fatalf("a good client meanwhile: %d %s", answer.StatusCode, answer.body)
		}
		slowest = max(slowest, time.Since(began))
		good.events(1)
		published++
		select {
		case <-over:
		case <-time.After(20 * time.Millisecond):
		}
	}
	if t.Logf("%d events meanwhile, the slowest after %s", published, slowest.Round(time.Millisecond)); published < 100 {
		t.Errorf("a good client published only %d events meanwhile", published)
	}
	if n := measured(t, boss, `hub_limited_total{limit="message_time"}`); n != drips {
		t.Errorf("%v sockets are counted as too slow, want %d", n, drips)
	}
}
