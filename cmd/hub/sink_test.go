package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestConsumersOnTwoHubsShareASink(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	one, two := startHub(t, redis), startHub(t, redis)
	var sockets []*socket
	for _, h := range []*testHub{one, one, two, two} {
		sockets = append(sockets, h.dial("/v1/sinks/billing/ws?stream=orders&prefetch=50"))
	}
	want := one.publishMany("orders", 2000)

	var mu sync.Mutex
	seen := map[string]int{}
	counts := make([]int, len(sockets))
	done := make(chan struct{})
	finish := sync.OnceFunc(func() { close(done) })
	var reading sync.WaitGroup
	for i, s := range sockets {
		reading.Go(func() {
			for {
				select {
				case f := <-s.frames:
					if f.Type != "events" {
						continue
					}
					list, _ := json.Marshal(ids(f.Events))
					s.send(`{"type":"ack","ids":` + string(list) + `}`)
					mu.Lock()
					for _, e := range f.Events {
						seen[e.ID]++
						counts[i]++
					}
					if len(seen) == len(want) {
						finish()
					}
					mu.Unlock()
				case <-t.Context().Done():
					return
				}
			}
		})
	}
	select {
	case <-done:
	case <-time.After(patience):
	}
	eventually(t, func() string {
		figures := sinkFigures(t, two, "billing")
		if figures["pending"] != 0.0 || figures["lag"] != 0.0 {
			return fmt.Sprint(figures)
		}
		return ""
	})
	mu.Lock()
	defer mu.Unlock()
	for _, id := range want {
		if seen[id] != 1 {
			t.Errorf("event %s was delivered %d times", id, seen[id])
		}
	}
	for i, n := range counts {
		if n == 0 {
			t.Errorf("consumer %d got nothing: %v", i, counts)
		}
	}
	t.Cleanup(reading.Wait)
}

// sinkFigures are those of a sink with one stream.
func sinkFigures(t *testing.T, h *testHub, sink string) map[string]any {
	t.Helper()
	answer := h.call("GET", "/v1/sinks/"+sink, "")
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the sink's status: %d %s", answer.StatusCode, answer.body)
	}
	return answer.json(t)["streams"].([]any)[0].(map[string]any)
}

func TestEventsOfAClosedConnectionGoToAnotherHubAtOnce(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	one, two := startHub(t, redis), startHub(t, redis)
	want := one.publishMany("orders", 20)
	first := one.dial("/v1/sinks/billing/ws?stream=orders&from=oldest")
	first.events(20)
	second := two.dial("/v1/sinks/billing/ws?stream=orders")

	dropped := time.Now()
	first.drop()
	got := second.events(20)
	if took := time.Since(dropped); took > 2*time.Second {
		t.Errorf("the events came after %s, want at most 2 s", took)
	}
	assertEvents(t, got, want, 2)
	second.ack("orders", want...)
	if figures := sinkFigures(t, one, "billing"); figures["pending"] != 0.0 || figures["redelivered"] != 20.0 {
		t.Errorf("figures: %v", figures)
	}
}

// assertEvents checks that exactly these events came, in any order, each at
// this attempt.
func assertEvents(t *testing.T, got []event, want []string, attempt int) {
	t.Helper()
	list := ids(got)
	slices.Sort(list)
	want = slices.Clone(want)
	slices.Sort(want)
	if !slices.Equal(list, want) {
		t.Fatalf("got %d events %v, want %d %v", len(list), list, len(want), want)
	}
	for _, e := range got {
		if e.Attempt != attempt {
			t.Errorf("event %s came with attempt %d, want %d", e.ID, e.Attempt, attempt)
		}
	}
}

func TestSecondCloseWaitsBeforeItsEventsComeAgain(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	id := h.publish("orders", `{"data":1}`)
	var dropped time.Time
	for attempt := 1; attempt <= 2; attempt++ {
		s := h.dial("/v1/sinks/billing/ws?stream=orders&from=oldest")
		assertEvents(t, s.events(1), []string{id}, attempt)
		dropped = time.Now()
		s.drop()
	}
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	assertEvents(t, s.events(1), []string{id}, 3)
	if took := time.Since(dropped); took < 900*time.Millisecond {
		t.Errorf("an event that ended two connections came again after %s, want about 1 s", took)
	}
}

func TestUnackedEventComesAgainAfterAckWait(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=400ms")
	published := time.Now()
	id := h.publish("orders", `{"data":1}`)
	assertEvents(t, s.events(1), []string{id}, 1)
	for attempt := 2; attempt <= 4; attempt++ {
		handed := time.Now() // or a little later than it was
		assertEvents(t, s.events(1), []string{id}, attempt)
		if passed, least := time.Since(published), time.Duration(attempt-1)*400*time.Millisecond; passed < least {
			t.Errorf("attempt %d came %s after the event was published, want at least %s", attempt, passed, least)
		}
		if waited := time.Since(handed); waited > 3*time.Second {
			t.Errorf("attempt %d came after %s, want a little more than 400 ms", attempt, waited)
		}
	}
	s.ack("orders", id)
	if figures := sinkFigures(t, h, "billing"); figures["pending"] != 0.0 || figures["redelivered"] != 3.0 {
		t.Errorf("figures: %v", figures)
	}
}

func TestAckOnAnotherHubFreesCredit(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	one, two := startHub(t, redis), startHub(t, redis)
	s := one.dial("/v1/sinks/billing/ws?stream=orders&prefetch=1&ack_wait=1h")
	want := one.publishMany("orders", 3)
	for _, id := range want {
		assertEvents(t, s.events(1), []string{id}, 1)
		answer := two.call("POST", "/v1/sinks/billing/acks", fmt.Sprintf(`{"stream":"orders","ids":[%q,"1-1"]}`, id))
		if got := fmt.Sprint(answer.json(t)); answer.StatusCode != http.StatusOK || got != fmt.Sprintf("map[acked:[%s] not_pending:[1-1]]", id) {
			t.Fatalf("ack over REST: %d %s", answer.StatusCode, answer.body)
		}
	}
}

func TestPrefetchIsNeverExceeded(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	want := h.publishMany("orders", 30)
	s := h.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=7")
	assertEvents(t, s.events(7), want[:7], 1)
	// What the group has not delivered is still to be read by others: nothing is
	// hoarded in the hub.
	if figures := sinkFigures(t, h, "billing"); figures["pending"] != 7.0 || figures["lag"] != 23.0 {
		t.Errorf("figures: %v", figures)
	}
	s.ack("orders", want[:7]...)
	assertEvents(t, s.events(7), want[7:14], 1)
}

func TestSeveralStreamsShareOneConnection(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&stream=payments&prefetch=10")
	if !slices.Equal(s.ready.Streams, []string{"orders", "payments"}) {
		t.Errorf("ready: %+v", s.ready)
	}
	orders, payments := h.publish("orders", `{"data":1}`), h.publish("payments", `{"data":2}`)
	got := s.events(2)
	slices.SortFunc(got, func(a, b event) int { return strings.Compare(a.Stream, b.Stream) })
	if got[0].Stream != "orders" || got[0].ID != orders || got[1].Stream != "payments" || got[1].ID != payments {
		t.Fatalf("got %+v", got)
	}
	s.send(fmt.Sprintf(`{"type":"ack","ids":[%q],"ref":7}`, orders))
	if f := s.next("error"); f.Code != "invalid_request" || f.Ref != 7.0 {
		t.Errorf("an ack that names no stream was answered %+v", f)
	}
	s.ack("orders", orders)
	s.ack("payments", payments)
}

func TestNackedEventComesAgainWhenItIsDue(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=200ms")
	id := h.publish("orders", `{"data":1}`)
	s.events(1)
	s.send(fmt.Sprintf(`{"type":"nack","ids":[{"id":%q,"attempt":2},"5-5"],"ref":1}`, id))
	if f := s.next("ok"); !slices.Equal(f.Stale, []string{id, "5-5"}) || len(f.Nacked) > 0 {
		t.Fatalf("a nack of another delivery was answered %+v", f)
	}
	// A delay may be longer than ack_wait.
	nacked := time.Now()
	s.send(fmt.Sprintf(`{"type":"nack","ids":[{"id":%q,"attempt":1}],"delay":"700ms","ref":2}`, id))
	if f := s.next("ok"); !slices.Equal(f.Nacked, []string{id}) {
		t.Fatalf("the nack was answered %+v", f)
	}
	if figures := sinkFigures(t, h, "billing"); figures["pending"] != 1.0 {
		t.Errorf("while the event waits: %v", figures)
	}
	assertEvents(t, s.events(1), []string{id}, 2)
	if took := time.Since(nacked); took < 700*time.Millisecond {
		t.Errorf("the event came again after %s, want 700 ms", took)
	}
	s.send(fmt.Sprintf(`{"type":"nack","ids":[%q]}`, id))
	assertEvents(t, s.events(1), []string{id}, 3)
}

func TestBadCommandsAreAnsweredAndCloseNothing(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	for command, code := range map[string]string{
		`{"ref":1}`:                                                           "invalid_request",
		`{"type":"fly","ref":1}`:                                              "invalid_request",
		`{"type":"ack","ref":1}`:                                              "invalid_request",
		`{"type":"ack","ids":[],"ref":1}`:                                     "invalid_request",
		`{"type":"ack","ids":["x"],"ref":1}`:                                  "invalid_request",
		`{"type":"ack","ids":"1-1","ref":1}`:                                  "invalid_request",
		`{"type":"ack","ids":["1-1"],"colour":"red","ref":1}`:                 "invalid_request",
		`{"type":"ack","stream":"nope","ids":["1-1"],"ref":1}`:                "stream_not_found",
		`{"type":"nack","ids":["1-1"],"delay":"soon","ref":1}`:                "invalid_request",
		`{"type":"nack","ids":[{"id":"1-1","attempt":0}],"ref":1}`:            "invalid_request",
		`{"type":"ack","ids":[{"id":"1-1","attempt":1}],"ref":1}`:             "invalid_request",
		`{"type":"ack","ids":["1-1"],"up_to":"1-1","ref":1}`:                  "invalid_request",
		`{"type":"extend","ref":1}`:                                           "invalid_request",
		`{"type":"extend","ids":["1-1"],"delay":"1s","ref":1}`:                "invalid_request",
		`{"type":"nack","ids":["1-1"],"up_to":"1-1","ref":1}`:                 "invalid_request",
		`{"type":"nack","ids":["1-1"],"dead_letter":"yes","ref":1}`:           "invalid_request",
		`{"type":"credit","n":1,"ref":1}`:                                     "invalid_request",
		`{"type":"credit","n":0,"ref":1}`:                                     "invalid_request",
		`{"type":"pause","stream":"orders","ref":1}`:                          "invalid_request",
		`{"type":"add_stream","ref":1}`:                                       "invalid_request",
		`{"type":"add_stream","stream":"a b","ref":1}`:                        "invalid_name",
		`{"type":"add_stream","stream":"a","from":"noon","ref":1}`:            "invalid_request",
		`{"type":"remove_stream","stream":"a","from":"oldest","ref":1}`:       "invalid_request",
		`{"type":"ack","ids":["1-1"],"ref":{}}`:                               "invalid_request",
		`{"type":"ack","ids":["18446744073709551616-1"],"stream":5,"ref":1}`:  "invalid_request",
		`{"type":"ack","ids":["1-18446744073709551616"],"ref":"a \"quote\""}`: "invalid_request",
	} {
		s.send(command)
		if f := s.next("error"); f.Code != code || f.Detail == "" {
			t.Errorf("%s was answered %+v, want %s", command, f, code)
		}
	}
	for _, command := range []string{`[]`, `7`, `{"type":`, "\xff"} {
		s := h.dial("/v1/sinks/billing/ws?stream=orders")
		s.send(command)
		if f := s.next("error"); f.Code != "invalid_request" {
			t.Errorf("%q was answered %+v", command, f)
		}
		if code := s.closed(); code != 4400 {
			t.Errorf("%q closed the socket with %d, want 4400", command, code)
		}
	}
	id := h.publish("orders", `{"data":1}`)
	assertEvents(t, s.events(1), []string{id}, 1)
}

func TestRequestsAreRefusedBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.dial("/v1/sinks/billing/ws?stream=orders&ack_wait=5s&from=oldest")
	for path, want := range map[string]int{
		"/v1/sinks/billing/ws?stream=orders":                         http.StatusUpgradeRequired,
		"/v1/sinks/billing/ws?stream=orders&ack_wait=5s":             http.StatusUpgradeRequired,
		"/v1/sinks/billing/ws?stream=orders&ack_wait=6s":             http.StatusConflict,
		"/v1/sinks/billing/ws":                                       http.StatusBadRequest,
		"/v1/sinks/billing/ws?stream=orders&prefetch=0":              http.StatusUpgradeRequired,
		"/v1/sinks/billing/ws?stream=orders&prefetch=10001":          http.StatusBadRequest,
		"/v1/sinks/billing/ws?stream=orders&prefetch=5&batch=6":      http.StatusBadRequest,
		"/v1/sinks/billing/ws?stream=orders&prefetch=1&prefetch=2":   http.StatusBadRequest,
		"/v1/sinks/billing/ws?stream=orders&from=yesterday":          http.StatusBadRequest,
		"/v1/sinks/billing/ws?stream=orders&colour=red":              http.StatusBadRequest,
		"/v1/sinks/-x/ws?stream=orders":                              http.StatusBadRequest,
		"/v1/sinks/new/ws?stream=a%20b":                              http.StatusBadRequest,
		"/v1/broadcast/ws?channel=room":                              http.StatusUpgradeRequired,
		"/v1/broadcast/ws":                                           http.StatusBadRequest,
		"/v1/broadcast/ws?channel=room&prefetch=1":                   http.StatusBadRequest,
		"/v1/sinks/fresh/ws?stream=orders&from=at:2026-13-01":        http.StatusBadRequest,
		"/v1/sinks/fresh/ws?stream=orders&from=after:7":              http.StatusBadRequest,
		"/v1/sinks/fresh/ws?stream=orders&ack_wait=1ms":              http.StatusBadRequest,
		"/v1/sinks/fresh/ws?stream=orders&consumer=a%0Ab":            http.StatusBadRequest,
		"/v1/sinks/%62illing/ws?stream=orders&ack_wait=6s":           http.StatusConflict,
		"/v1/sinks/fresh/ws?stream=orders&from=at:2026-11-20T10:00Z": http.StatusBadRequest,
	} {
		for _, header := range [][]string{nil, {"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}} {
			if header != nil && want == http.StatusUpgradeRequired {
				continue
			}
			answer := h.call("GET", path, "", header...)
			if answer.StatusCode != want || answer.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %s, want the problem %d", path, answer.StatusCode, answer.body, want)
			}
		}
	}
	if answer := h.call("GET", "/v1/sinks/fresh", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("a refused request has made a sink: %s", answer.body)
	}
	foreign := h.call("GET", "/v1/broadcast/ws?channel=room", "", "Origin: http://elsewhere.example",
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	if foreign.StatusCode != http.StatusForbidden || foreign.json(t)["code"] != "forbidden" {
		t.Errorf("a page of another origin was answered %d %s", foreign.StatusCode, foreign.body)
	}
}

func TestStartPositions(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	want := h.publishMany("orders", 5)
	for name, from := range map[string]struct {
		from string
		want []string
	}{
		"oldest": {"oldest", want},
		"after":  {"after:" + want[1], want[2:]},
		"at":     {"at:2000-01-01T00:00:00Z", want},
		"future": {"at:2100-01-01T00:00:00Z", nil},
		"latest": {"latest", nil},
	} {
		s := h.dial("/v1/sinks/" + name + "/ws?stream=orders&from=" + from.from)
		if s.ready.From != from.from || len(s.ready.Ignored) > 0 {
			t.Errorf("%s: ready %+v", name, s.ready)
		}
		if from.want != nil {
			assertEvents(t, s.events(len(from.want)), from.want, 1)
		}
		again := h.dial("/v1/sinks/" + name + "/ws?stream=orders&from=oldest")
		if !slices.Equal(again.ready.Ignored, []string{"from"}) {
			t.Errorf("%s: a later from was not reported as ignored: %+v", name, again.ready)
		}
	}
	next := h.publish("orders", `{"data":"next"}`)
	eventually(t, func() string {
		if f := sinkFigures(t, h, "latest"); f["pending"] != 1.0 {
			return fmt.Sprintf("the sink that began at the latest should hold %s: %v", next, f)
		}
		return ""
	})
}

func TestConsumersOfAllHubsAreListed(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	one, two := startHub(t, redis), startHub(t, redis)
	one.dial("/v1/sinks/billing/ws?stream=orders&consumer=left")
	two.dial("/v1/sinks/billing/ws?stream=orders&consumer=right")
	eventually(t, func() string {
		answer := one.call("GET", "/v1/sinks/billing", "")
		labels := map[string]bool{}
		for _, c := range answer.json(t)["consumers"].([]any) {
			labels[c.(map[string]any)["consumer"].(string)] = true
		}
		if !labels["left"] || !labels["right"] || len(labels) != 2 {
			return fmt.Sprint("consumers: ", labels)
		}
		return ""
	})
}

func TestFrameThatIsTooLargeIsAnsweredBeforeTheClose(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	s.send(`{"type":"ack","ids":["` + strings.Repeat("1", 9<<20) + `"]}`)
	if f := s.next("error"); f.Code != "payload_too_large" {
		t.Errorf("the error frame is %+v", f)
	}
	if code := s.closed(); code != websocket.StatusMessageTooBig {
		t.Errorf("closed with %d, want 1009", code)
	}
}

func TestAcksBeforeACloseCount(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	for round := range 5 {
		stream, sink := fmt.Sprint("orders-", round), fmt.Sprint("billing-", round)
		h.publishMany(stream, 100)
		s := h.dial("/v1/sinks/" + sink + "/ws?stream=" + stream + "&from=oldest")
		for _, e := range s.events(100) {
			s.send(fmt.Sprintf(`{"type":"ack","ids":[%q]}`, e.ID))
		}
		if err := s.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			if f := sinkFigures(t, h, sink); f["pending"] != 0.0 || f["redelivered"] != 0.0 {
				return fmt.Sprint("acked events are still owed: ", f)
			}
			return ""
		})
	}
}

func TestDelayedEventOfAConsumerThatLeftGoesToAnotherHub(t *testing.T) {
	t.Parallel()
	redis := "HUB_REDIS_URL=" + startRedis(t).URL()
	one, two := startHub(t, redis), startHub(t, redis)
	leaving := one.dial("/v1/sinks/billing/ws?stream=orders")
	id := one.publish("orders", `{"data":1}`)
	leaving.events(1)
	staying := two.dial("/v1/sinks/billing/ws?stream=orders")
	leaving.send(fmt.Sprintf(`{"type":"nack","ids":[%q],"delay":"1500ms","ref":1}`, id))
	leaving.next("ok")
	leaving.drop()
	nacked := time.Now()
	assertEvents(t, staying.events(1), []string{id}, 2)
	if took := time.Since(nacked); took > 4*time.Second {
		t.Errorf("the event came after %s, want 1.5 s", took)
	}
}

func TestFurtherStreamOfASinkStartsWhereTheSinkSays(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.dial("/v1/sinks/billing/ws?stream=orders&from=oldest")
	id := h.publish("payments", `{"data":1}`)
	s := h.dial("/v1/sinks/billing/ws?stream=payments")
	assertEvents(t, s.events(1), []string{id}, 1)
	if s.ready.From != "oldest" {
		t.Errorf("ready: %+v", s.ready)
	}
}

func TestLargeBacklogOfLargeEventsIsDelivered(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.publishMany("orders", 200)
	var want []string
	body := fmt.Sprintf(`{"data":%q}`, strings.Repeat("x", 1<<20-2))
	for range 30 {
		want = append(want, h.publish("orders", body))
	}
	s := h.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=10000&max_bytes=1000000000")
	var got []event
	for len(got) < 230 {
		got = append(got, s.next("events").Events...)
	}
	assertEvents(t, got[200:], want, 1)
}
