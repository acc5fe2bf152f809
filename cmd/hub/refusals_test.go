package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAckOfTooManyIDsIsRefused(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	s := h.dial("/v1/sinks/billing/ws?stream=orders")
	id := h.publish("orders", `{"data":1}`)
	s.events(1)
	list := func(n int) string {
		ids := []string{id}
		for i := 1; i < n; i++ {
			ids = append(ids, fmt.Sprintf("0-%d", i))
		}
		text, _ := json.Marshal(ids)
		return string(text)
	}
	const most = 10_000
	answer := h.call("POST", "/v1/sinks/billing/acks", `{"stream":"orders","ids":`+list(most+1)+`}`)
	if answer.StatusCode != http.StatusRequestEntityTooLarge || answer.json(t)["code"] != "payload_too_large" {
		t.Errorf("%d ids over REST: %d %s", most+1, answer.StatusCode, answer.body)
	}
	for _, kind := range []string{"ack", "nack"} {
		s.send(`{"type":"` + kind + `","ref":"` + kind + `","ids":` + list(most+1) + `}`)
		if f := s.next("error"); f.Code != "payload_too_large" || f.Ref != kind {
			t.Errorf("%s of %d ids on a socket: %+v", kind, most+1, f)
		}
	}
	if figures := sinkFigures(t, h, "billing"); figures["pending"] != 1.0 {
		t.Errorf("something of the refused acks was done: %v", figures)
	}
	// The socket is open, and the bound itself is allowed.
	s.send(`{"type":"ack","ref":1,"ids":` + list(most) + `}`)
	if f := s.next("ok"); len(f.Acked)+len(f.NotPending) != most || len(f.Acked) == 0 {
		t.Errorf("%d ids: %d acked, %d not pending", most, len(f.Acked), len(f.NotPending))
	}
}

func TestOversizedBodyIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	for size, want := range map[int]int{8 << 20: http.StatusContinue, 8<<20 + 1: http.StatusRequestEntityTooLarge} {
		if got := announce(t, h, size); got != want {
			t.Errorf("the first answer to %d announced bytes is %d, want %d", size, got, want)
		}
	}
}

// announce asks whether a body may be sent, and returns the first answer.
func announce(t *testing.T, h *testHub, size int) int {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(conn, "POST /v1/streams/orders/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", size)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestHeadChangesNothing(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	if answer := h.call("HEAD", "/livez", ""); answer.StatusCode != http.StatusOK || len(answer.body) != 0 {
		t.Errorf("HEAD of /livez: %d %q", answer.StatusCode, answer.body)
	}
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, header := range [][]string{nil, upgrade} {
		answer := h.call("HEAD", "/v1/sinks/billing/ws?stream=orders", "", header...)
		if answer.StatusCode < 400 || answer.StatusCode >= 500 {
			t.Errorf("HEAD of a sink's socket with %q: %d", header, answer.StatusCode)
		}
	}
	if answer := h.call("GET", "/v1/sinks/billing", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the sink is there: %d %s", answer.StatusCode, answer.body)
	}
}
