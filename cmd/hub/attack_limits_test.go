package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/hub"
)

// raw is a connection of a client that keeps to no protocol.
type raw struct {
	net.Conn
	*bufio.Reader
}

func (h *testHub) raw(t *testing.T) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(3 * patience))
	return &raw{conn, bufio.NewReader(conn)}
}

func (r *raw) Read(p []byte) (int, error) { return r.Reader.Read(p) }

// answer reads one, whoever asked for it.
func (r *raw) answer(t *testing.T) response {
	t.Helper()
	answer, err := http.ReadResponse(r.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{answer, body}
}

// upgraded is a raw WebSocket.
func (h *testHub) upgraded(t *testing.T, path, token string) *raw {
	t.Helper()
	conn := h.raw(t)
	_, err := fmt.Fprintf(conn.Conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, token)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(conn.Reader, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s: %v %+v", path, err, answer)
	}
	return conn
}

// masked is a frame of a client, whose mask is zeros.
func masked(first byte, payload string) []byte {
	switch n := len(payload); {
	case n < 126:
		return append([]byte{first, 0x80 | byte(n), 0, 0, 0, 0}, payload...)
	default:
		return append([]byte{first, 0x80 | 126, byte(n >> 8), byte(n), 0, 0, 0, 0}, payload...)
	}
}

// closeCode reads frames until the hub's close frame, and returns its code; 0: there
// was none.
func (r *raw) closeCode() int {
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0
		}
		n := int(head[1])
		if n == 126 {
			var size [2]byte
			if _, err := io.ReadFull(r, size[:]); err != nil {
				return 0
			}
			n = int(size[0])<<8 | int(size[1])
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r, payload); err != nil {
			return 0
		}
		if head[0]&0x0f == 8 && n >= 2 {
			return int(payload[0])<<8 | int(payload[1])
		}
	}
}

func TestFloodsOfPingsAndFragmentsEndTheirSocketOnly(t *testing.T) {
	t.Parallel()
	keys := newKeyFile(t)
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), keys.setting())
	boss := h.by(keys.text["boss"])
	good := boss.dial("/v1/readers/ws?stream=orders")
	const text, ping, fragment, more = 0x81, 0x89, 0x01, 0x00
	for name, send := range map[string]func(i int) []byte{
		"pings": func(int) []byte { return masked(ping, "") },
		"fragments of a byte": func(i int) []byte {
			if i == 0 {
				return masked(fragment, " ")
			}
			return masked(more, " ")
		},
		"empty fragments": func(i int) []byte {
			if i == 0 {
				return masked(fragment, "")
			}
			return masked(more, "")
		},
	} {
		conn := h.upgraded(t, "/v1/readers/ws?stream=orders", keys.text["boss"])
		var flood sync.WaitGroup
		flood.Go(func() {
			for i := range 200_000 {
				if _, err := conn.Write(send(i)); err != nil {
					return
				}
			}
			t.Errorf("%s are taken without end", name)
		})
		if code := conn.closeCode(); code != 4429 && code != 0 { // a reset may overtake the close frame
			t.Errorf("%s: closed with %d, want 4429", name, code)
		}
		_ = conn.Close()
		flood.Wait()
	}
	// Whole messages, pings now and then and fragments of a usual size are no flood.
	calm := h.upgraded(t, "/v1/readers/ws?stream=orders", keys.text["boss"])
	command := `{"type":"publish","ref":1,"stream":"orders","events":[{"data":"` + strings.Repeat("x", 20_000) + `"}]}`
	for i := range 5 {
		for at := 0; at < len(command); at += 5000 {
			first := byte(more)
			if at == 0 {
				first = fragment
			}
			if at+5000 >= len(command) {
				first |= 0x80
			}
			_, _ = calm.Write(masked(first, command[at:min(len(command), at+5000)]))
			_, _ = calm.Write(masked(ping, "hello"))
		}
		if f := good.next("events"); len(f.Events) != 1 {
			t.Errorf("message %d: %+v", i, f)
		}
	}
	if n := measured(t, boss, `hub_limited_total{limit="pings"}`) + measured(t, boss, `hub_limited_total{limit="fragments"}`); n != 3 {
		t.Errorf("%v sockets are counted as closed, want 3", n)
	}
}

func TestHandshakeStormIsRefusedFastAndTheEstablishedGoOn(t *testing.T) {
	t.Parallel()
	const perSecond, storm, established = 20, 600, 10
	keys := newKeyFile(t)
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), keys.setting(), fmt.Sprint("HUB_HANDSHAKES_PER_SECOND=", perSecond))
	boss := h.by(keys.text["boss"])
	var sockets []*socket
	for range established {
		sockets = append(sockets, boss.dial("/v1/readers/ws?stream=orders"))
	}
	var dialing sync.WaitGroup
	var mu sync.Mutex // protects the two below
	statuses, times := map[int]int{}, []time.Duration{}
	bound, began := make(chan struct{}, 60), time.Now()
	for range storm {
		bound <- struct{}{}
		dialing.Go(func() {
			defer func() { <-bound }()
			start := time.Now()
			conn, answer, err := websocket.Dial(context.WithoutCancel(t.Context()), h.base+"/v1/readers/ws?stream=orders", &websocket.DialOptions{HTTPClient: &http.Client{Transport: boss.via}})
			if err == nil {
				defer func() { _ = conn.CloseNow() }()
			}
			if answer == nil {
				t.Error(err)
				return
			}
			if answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[answer.StatusCode]++
			if answer.StatusCode == http.StatusTooManyRequests {
				times = append(times, time.Since(start))
			}
		})
	}
	id := boss.publish("orders", `{"data":1}`)
	for _, s := range sockets {
		s.until(id)
	}
	dialing.Wait()
	took := time.Since(began)
	slices.Sort(times)
	if most := perSecond * (2 + int(took/time.Second)); statuses[http.StatusSwitchingProtocols] > most || len(times) == 0 ||
		statuses[http.StatusSwitchingProtocols]+len(times) != storm {
		t.Fatalf("of %d handshakes in %s, by status: %v; want %d at most to be let in and all others 429", storm, took, statuses, most)
	}
	p99 := times[len(times)*99/100]
	if t.Logf("%d handshakes in %s: %v; refusals took %s (p99)", storm, took.Round(time.Millisecond), statuses, p99.Round(time.Millisecond)); p99 > leeway {
		t.Errorf("a refusal took %s (p99)", p99)
	}
	for _, s := range sockets {
		s.ok(`{"type":"pause"}`)
	}
	if n := measured(t, boss, `hub_limited_total{limit="handshakes"}`); int(n) != len(times) {
		t.Errorf("%v handshakes are counted as refused, want %d", n, len(times))
	}
}

// TestNobodysRateIsLimitedOnLoopbackWhereNobodyIsAskedWhoTheyAre: who has a hub to himself
// may load it as he likes.
func TestNobodysRateIsLimitedOnLoopbackWhereNobodyIsAskedWhoTheyAre(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), "HUB_HANDSHAKES_PER_SECOND=1", "HUB_REQUESTS_PER_SECOND=1", "HUB_EVENTS_PER_SECOND=1",
		"HUB_COMMANDS_PER_SECOND=1", "HUB_TICKETS_PER_SECOND=1", "HUB_MAX_CONNECTIONS_PER_PRINCIPAL=1")
	for range 20 {
		h.dial("/v1/readers/ws?stream=orders").ok(`{"type":"pause"}`)
		h.publish("orders", `{"data":1}`)
	}
	for range 110 {
		h.want(http.StatusCreated, "POST", "/v1/tickets", "")
	}
	s := h.dial("/v1/broadcast/ws?channel=room")
	for range 50 {
		s.ok(`{"type":"subscribe","channels":["room"]}`)
	}
	for _, limit := range limits {
		if n := measured(t, h, `hub_limited_total{limit="`+limit+`"}`); n != 0 {
			t.Errorf("%v are limited by %s", n, limit)
		}
	}
}

func TestConnectionsAreLimitedPerHubAndPerAddress(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]int{"HUB_MAX_CONNECTIONS": http.StatusServiceUnavailable, "HUB_MAX_CONNECTIONS_PER_ADDRESS": http.StatusTooManyRequests} {
		h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), setting+"=10", "HUB_ADMIN_ADDR=127.0.0.1:0")
		var held []*raw
		for range 10 {
			held = append(held, h.raw(t))
		}
		for _, conn := range held { // it has been accepted
			_, _ = fmt.Fprint(conn.Conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if answer := conn.answer(t); answer.StatusCode != http.StatusOK {
				t.Fatalf("%s: one of those that are allowed: %d", setting, answer.StatusCode)
			}
		}
		over := h.raw(t)
		_, _ = fmt.Fprint(over.Conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		answer := over.answer(t)
		if answer.StatusCode != want || answer.Header.Get("Retry-After") == "" || !answer.Close || !strings.Contains(string(answer.body), setting) {
			t.Errorf("%s: one too many is answered %d %v %s", setting, answer.StatusCode, answer.Header, answer.body)
		}
		_ = held[0].Close()
		eventually(t, func() string {
			conn := h.raw(t)
			defer conn.Close()
			_, _ = fmt.Fprint(conn.Conn, "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if answer := conn.answer(t); answer.StatusCode != http.StatusOK {
				return answer.Status
			}
			return ""
		})
	}
}

func TestAPrincipalsLimitsAreItsOwn(t *testing.T) {
	t.Parallel()
	keys := newKeyFile(t)
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), keys.setting(), "HUB_MAX_BATCH_EVENTS=20", "HUB_MAX_CONNECTIONS_PER_PRINCIPAL=5", "HUB_COMMANDS_PER_SECOND=50")
	hasty := keys.limited("hasty", bossGrant, `{"requests_per_second":20,"events_per_second":20,"connections":2}`)
	eventually(t, func() string { return notYet(h, hasty) })
	boss, by := h.by(keys.text["boss"]), h.by(hasty)

	for range 2 {
		boss.dial("/v1/readers/ws?stream=orders")
		by.dial("/v1/broadcast/ws?channel=room")
	}
	if answer := by.call("GET", "/v1/readers/sse?stream=orders", ""); answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "" {
		t.Errorf("a third connection: %d %v", answer.StatusCode, answer.Header)
	}
	limited := func(method, path, body string) (n int) {
		for range 200 {
			answer := by.call(method, path, body)
			if answer.StatusCode == http.StatusTooManyRequests {
				if contractProblem(t, answer).Code != hub.CodeRateLimited || answer.Header.Get("Retry-After") == "" {
					t.Fatalf("%v %s", answer.Header, answer.body)
				}
				n++
			}
		}
		return n
	}
	if n := limited("GET", "/v1/streams", ""); n == 0 {
		t.Error("200 requests at once were let in, at 20 in a second")
	}
	stored := boss.want(http.StatusCreated, "POST", "/v1/streams/orders/events", "["+strings.TrimSuffix(strings.Repeat(`{"data":1},`, 20), ",")+"]")
	if len(stored["ids"].([]any)) != 20 {
		t.Error(stored)
	}
	s := boss.dial("/v1/sinks/billing/ws?stream=orders&from=oldest")
	held := s.events(20)
	// What settles events waits; all of it is done.
	for range 10 {
		for _, e := range held {
			s.send(fmt.Sprintf(`{"type":"extend","ids":[%q],"ref":"x"}`, e.ID))
		}
	}
	for range 200 {
		if f := s.next("ok"); len(f.Extended) != 1 {
			t.Fatalf("an extend beyond the limit is answered %+v", f)
		}
	}
	// Everything else is refused.
	for range 200 {
		s.send(`{"type":"pause","ref":"p"}`)
	}
	done, refused := 0, 0
	for done+refused < 200 {
		switch f := s.receive(time.After(patience), "answer"); {
		case f.Type == "ok":
			done++
		case f.Type == "error" && f.Code == "rate_limited":
			refused++
		default:
			t.Fatalf("%+v", f)
		}
	}
	if refused < 100 {
		t.Errorf("of 200 commands %d were done and %d refused, at 50 in a second", done, refused)
	}
	eventually(t, func() string {
		if f := s.do(`{"type":"resume"}`); f.Type != "ok" {
			return fmt.Sprintf("a command after a while is answered %+v", f)
		}
		return ""
	})
	for _, limit := range []string{"requests", "principal", "commands"} {
		if measured(t, boss, `hub_limited_total{limit="`+limit+`"}`) == 0 {
			t.Errorf("nothing is counted as limited by %s", limit)
		}
	}
}

func TestTicketsThatNobodyUsesDoNotFillRedis(t *testing.T) {
	t.Parallel()
	keys := newKeyFile(t)
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), keys.setting())
	hasty := keys.limited("hasty", bossGrant, `{"tickets_per_second":0.01}`)
	eventually(t, func() string { return notYet(h, hasty) })
	by, made := h.by(hasty), 0
	for range 110 {
		answer := by.call("POST", "/v1/tickets", "")
		if answer.StatusCode == http.StatusCreated {
			made++
			continue
		}
		if problem := contractProblem(t, answer); problem.Code != hub.CodeRateLimited || answer.Header.Get("Retry-After") == "" || !strings.Contains(problem.Detail, "HUB_TICKETS_PER_SECOND") {
			t.Fatalf("%v %s", answer.Header, answer.body)
		}
	}
	if made != 100 {
		t.Errorf("%d tickets are made, want 100 at once and one in 100 s", made)
	}
	if boss := h.by(keys.text["boss"]); measured(t, boss, `hub_limited_total{limit="tickets"}`) == 0 {
		t.Error("nothing is counted as limited by tickets")
	}
}

// TestAcksOfWhatWasDeliveredAreNotLimited: else what a client has settled comes again,
// while its acks wait for longer than ack_wait.
func TestAcksOfWhatWasDeliveredAreNotLimited(t *testing.T) {
	t.Parallel()
	keys := newKeyFile(t)
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), keys.setting(), "HUB_COMMANDS_PER_SECOND=10").by(keys.text["boss"])
	h.publishMany("orders", 300)
	s := h.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=300&ack_wait=2s")
	for _, e := range s.events(300) {
		s.send(fmt.Sprintf(`{"type":"ack","ids":[%q]}`, e.ID))
	}
	eventually(t, func() string {
		if text := string(h.call("GET", "/v1/sinks/billing", "").body); !strings.Contains(text, `"pending":0`) || !strings.Contains(text, `"redelivered":0`) {
			return text
		}
		return ""
	})
	if n := measured(t, h, `hub_limited_total{limit="commands"}`); n != 0 {
		t.Errorf("%v acks had to wait", n)
	}
}

func TestEventsBeyondTheirLimitAreNotStored(t *testing.T) {
	t.Parallel()
	keys := newKeyFile(t)
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), keys.setting(), "HUB_MAX_BATCH_EVENTS=10")
	hasty := keys.limited("hasty", bossGrant, `{"events_per_second":10}`)
	eventually(t, func() string { return notYet(h, hasty) })
	boss, by := h.by(keys.text["boss"]), h.by(hasty)
	s := by.dial("/v1/broadcast/ws?channel=room")
	batch := "[" + strings.TrimSuffix(strings.Repeat(`{"data":1},`, 5), ",") + "]"
	stored, limited := 0, 0
	for i := range 20 {
		if i%2 == 0 {
			switch f := s.do(`{"type":"publish","stream":"orders","events":%s}`, batch); {
			case f.Type == "ok":
				stored += 5
			case f.Code == "rate_limited":
				limited++
			default:
				t.Fatalf("%+v", f)
			}
			continue
		}
		switch answer := by.call("POST", "/v1/streams/orders/events", batch); answer.StatusCode {
		case http.StatusCreated:
			stored += 5
		case http.StatusTooManyRequests:
			limited++
		default:
			t.Fatalf("%d %s", answer.StatusCode, answer.body)
		}
	}
	if got := len(boss.everything("orders")); got != stored || limited == 0 {
		t.Errorf("%d events are stored, %d were confirmed, and %d batches refused", got, stored, limited)
	}
}

func TestWhatIsTooDeepOrTooLongIsRefusedByName(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_MAX_JSON_DEPTH=20", "HUB_MAX_HEADER_BYTES=8192")
	nested := func(n int) string { return `{"data":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	h.want(http.StatusCreated, "POST", "/v1/streams/orders/events", nested(19))
	for _, n := range []int{20, 21, 100_000} {
		answer := h.call("POST", "/v1/streams/orders/events", nested(n))
		// Beyond 10,000 encoding/json refuses it before it is known how deep it is.
		if named := strings.Contains(string(answer.body), "HUB_MAX_JSON_DEPTH"); answer.StatusCode != http.StatusBadRequest || named != (n < 10_000) {
			t.Errorf("%d arrays in an object: %d %.300s", n, answer.StatusCode, answer.body)
		}
	}
	s := h.dial("/v1/readers/ws?stream=orders")
	if f := s.do(`{"type":"publish","stream":"orders","events":[{"data":%s}]}`, strings.Repeat("[", 50)+strings.Repeat("]", 50)); f.Code != "invalid_request" {
		t.Errorf("a deep command is answered %+v", f)
	}
	if answer := h.call("GET", "/v1/streams", "", "X-Padding: "+strings.Repeat("x", 20_000)); answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long header: %d %.300s", answer.StatusCode, answer.body)
	}
}
