package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestEventStreamsAreAsBrowsersAndProxiesWantThem(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	readers := one.sse("/v1/readers/sse?stream=orders")
	several := one.sse("/v1/readers/sse?stream=orders&stream=payments")
	live := one.sse("/v1/broadcast/sse?channel=room&channel=other")
	for name, f := range map[string]*feed{"reader": readers, "several": several, "broadcast": live} {
		for header, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no", "Content-Encoding": ""} {
			if got := f.header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if m := <-f.messages; !m.comment { // comes at once, or a proxy would keep the header
			t.Errorf("%s: %+v came first", name, m)
		}
	}
	id := two.publish("orders", `{"type":"t","data":{"text":"a\nb \u2028"}}`)
	m := readers.next("event")
	var e event
	if err := json.Unmarshal([]byte(m.data), &e); err != nil || m.id != id || e.ID != id || shown(e) != `t|||application/json|{"text":"a\nb \u2028"}|map[]` || m.retry != "" {
		t.Errorf("the event came as %+v, %v", m, err)
	}
	if m = several.next("event"); m.id == id || m.id == "" || strings.ContainsAny(m.id, " \n") {
		t.Errorf("with several streams the id is %q, want a cursor", m.id)
	}
	// The cursor is that of a socket's.
	s := two.dial("/v1/readers/ws?stream=payments&stream=orders&from=after:" + m.id)
	next := one.publish("payments", `{"data":1}`)
	assertRead(t, s.events(1), []string{next})
	assertRead(t, several.events(1), []string{next})

	answer := two.want(http.StatusAccepted, "POST", "/v1/broadcast/room", `[{"type":"t","data":1.10},{"data_base64":"AP8="}]`)
	for i, want := range []string{"t|||application/json|1.10|map[]", `|||application/octet-stream|"\x00\xff" <nil>|map[]`} {
		m := live.next("event")
		var e event
		if err := json.Unmarshal([]byte(m.data), &e); err != nil || e.ID != answer["ids"].([]any)[i] || e.Channel != "room" || shown(e) != want || m.id != "" {
			t.Errorf("the message came as %+v, %v", m, err)
		}
	}
	for path, want := range map[string]string{
		"/v1/broadcast/sse": "400 invalid_request ?channel", "/v1/broadcast/sse?channel=-": "400 invalid_name ?channel", "/v1/broadcast/sse?channel=a&from=oldest": "400 invalid_request ?from",
	} {
		answer := one.call("GET", path, "")
		if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != want {
			t.Errorf("%s was refused as %s, want %s", path, got, want)
		}
	}
}

func TestEventStreamThatHadNoEventGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	setting := "HUB_REDIS_URL=" + startRedis(t).URL()
	leaving, staying := startHub(t, setting), startHub(t, setting)
	staying.publish("orders", `{"type":"old","data":1}`)
	queries := []string{"stream=orders", "stream=orders&type=new", "stream=orders&stream=payments", "stream=payments"} // payments are yet to come
	feeds := make([]*feed, len(queries))
	for i, query := range queries {
		feeds[i] = leaving.sse("/v1/readers/sse?" + query)
		feeds[i].next("place")
	}
	if err := leaving.stop(); err != nil {
		t.Errorf("the hub ended with: %v", err)
	}
	order, payment := staying.publish("orders", `{"type":"new","data":2}`), staying.publish("payments", `{"type":"new","data":3}`)
	for i, want := range [][]string{{order}, {order}, {order, payment}, {payment}} {
		feeds[i].next("hub.drain")
		got := ids(staying.sse("/v1/readers/sse?"+queries[i], "Last-Event-ID: "+feeds[i].last).events(len(want)))
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: while nobody was there came %v, and it goes on with %v", queries[i], want, got)
		}
	}
}

func TestEventStreamsSuitOldAndCuriousClients(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	h.publish("orders", `{"data":"old"}`)
	for _, path := range []string{"/v1/readers/sse?stream=orders&from=oldest", "/v1/broadcast/sse?channel=room"} {
		answer := h.call("HEAD", path, "")
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" || len(answer.body) > 0 {
			t.Errorf("HEAD %s: %d %v", path, answer.StatusCode, answer.Header)
		}
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET /v1/readers/sse?stream=orders&from=oldest HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("over HTTP/1.0: %+v, %v", answer, err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(answer.Body, 1<<20))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") && strings.Contains(lines.Text(), `"old"`) {
			return
		}
	}
	t.Errorf("over HTTP/1.0 no event came: %v", lines.Err())
}
