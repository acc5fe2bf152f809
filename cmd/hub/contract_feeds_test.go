package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// feed opens an event stream and holds its beginning to the document.
func (c *contract) feed(t *testing.T, h *testHub, path string, header ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	begin := make([]byte, len(": \n\n"))
	if _, err := io.ReadFull(answer.Body, begin); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", answer.StatusCode, begin, err)
	}
	c.check(t, fits, response{answer, begin})
}

func (c *contract) reading(t *testing.T) {
	const socket, feed = "GET /v1/readers/ws", "GET /v1/readers/sse"
	const good = "?stream=orders&stream=refunds&from=at:2025-11-20T14:46:40Z&topic=eu.**&topic=re:us[.].*&type=order.*"
	const wrong = "?limit=1&stream=a&stream=b&stream=c&from=now&topic=&type=%07"
	const pointers = "?limit ?stream ?from ?topic ?type"
	h := contractHub(t, contractLimits...)
	next := h.call("GET", "/v1/streams/orders/events", "").json(t)["next"].(string)
	c.connect(t, h, "/v1/readers/ws"+good)
	c.feed(t, h, "/v1/readers/sse"+good)
	c.feed(t, h, "/v1/readers/sse?stream=orders&from="+next, "Last-Event-ID: 1-0")
	c.feed(t, h, "/v1/readers/sse?stream=orders", "Last-Event-ID: "+strings.TrimPrefix(next, "after:"))
	foreign := append([]string{"Origin: null"}, contractUpgrade...)
	c.run(t, h, []contractCase{
		{name: "no stream", request: socket, fit: breaks, code: hub.CodeInvalidRequest, pointers: "?stream"},
		{name: "every wrong parameter is listed", request: socket + wrong, fit: breaks, code: hub.CodeInvalidRequest, pointers: pointers},
		{name: "a wrong name", request: socket + "?stream=a~b", fit: breaks, code: hub.CodeInvalidName, pointers: "?stream"},
		{name: "a cursor of another stream", request: socket + "?stream=refunds&from=" + next, fit: beyond, code: hub.CodeInvalidRequest, pointers: "?from"},
		{name: "without an upgrade", request: socket + good, code: hub.CodeUpgradeRequired},
		{name: "from another site", request: socket + good, header: foreign, fit: beyond, code: hub.CodeForbidden},

		{name: "a feed of no stream", request: feed, fit: breaks, code: hub.CodeInvalidRequest, pointers: "?stream"},
		{name: "every wrong parameter of a feed is listed", request: feed + wrong, fit: breaks, code: hub.CodeInvalidRequest, pointers: pointers},
		{name: "a feed of a wrong name", request: feed + "?stream=a~b", fit: breaks, code: hub.CodeInvalidName, pointers: "?stream"},
		{
			name: "a feed from nowhere", request: feed + "?stream=orders", header: []string{"Last-Event-ID: now!"},
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "header Last-Event-ID",
		},
	})
}

func (c *contract) listening(t *testing.T) {
	const socket, feed = "GET /v1/broadcast/ws", "GET /v1/broadcast/sse"
	const good = "?channel=room-1&channel=room-2&channel=room-1&topic=eu.**&topic=re:us[.].*&type=order.*&slow="
	const wrong = "?from=a&topic=&type=%07&slow=maybe"
	const pointers = "?from ?channel ?topic ?type ?slow"
	h := contractHub(t, contractLimits...)
	for _, slow := range []string{hub.SlowDisconnect, hub.SlowDrop} {
		c.connect(t, h, "/v1/broadcast/ws"+good+slow)
		c.feed(t, h, "/v1/broadcast/sse"+good+slow)
	}
	c.connect(t, h, "/v1/broadcast/ws?channel=room-1")
	c.feed(t, h, "/v1/broadcast/sse?channel=room-1")
	foreign := append([]string{"Origin: http://elsewhere.example"}, contractUpgrade...)
	for _, request := range []string{socket, feed} {
		c.run(t, h, []contractCase{
			{name: "to no channel", request: request, fit: breaks, code: hub.CodeInvalidRequest, pointers: "?channel"},
			{name: "every wrong parameter is listed", request: request + wrong, fit: breaks, code: hub.CodeInvalidRequest, pointers: pointers},
			{name: "to a wrong name", request: request + "?channel=a~b", fit: breaks, code: hub.CodeInvalidName, pointers: "?channel"},
			{name: "to too many", request: request + "?channel=a&channel=b&channel=c", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?channel"},
			{name: "slow in two ways", request: request + good + "drop&slow=disconnect", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?slow"},
		})
	}
	c.run(t, h, []contractCase{
		{name: "without an upgrade", request: socket + good + "drop", code: hub.CodeUpgradeRequired},
		{name: "from another site", request: socket + "?channel=a", header: foreign, fit: beyond, code: hub.CodeForbidden},
	})
}

func (c *contract) channels(t *testing.T) {
	const room = "GET /v1/channels/room-1"
	h := contractHub(t)
	c.run(t, h, []contractCase{
		{name: "that nobody listens to", request: "GET /v1/channels", status: 200},
		{name: "one that nobody listens to", request: room, status: 200},
		{name: "of a wrong name", request: "GET /v1/channels/a~b", fit: breaks, code: hub.CodeInvalidName},
		{name: "one with a parameter", request: room + "?verbose=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?verbose"},
	})
	c.connect(t, h, "/v1/broadcast/ws?channel=room-1&channel=room-2")
	h.sse("/v1/broadcast/sse?channel=room-1&channel=lobby")
	eventually(t, func() string {
		if page := h.want(http.StatusOK, "GET", "/v1/channels", ""); len(page["channels"].([]any)) != 3 {
			return fmt.Sprint(page)
		}
		return ""
	})
	c.run(t, h, []contractCase{
		{name: "all", request: "GET /v1/channels?limit=1000&cursor=a&prefix=", status: 200},
		{name: "the first", request: "GET /v1/channels?limit=1", status: 200},
		{name: "some", request: "GET /v1/channels?prefix=room-", status: 200},
		{name: "none", request: "GET /v1/channels?limit=0&prefix=~&from=a", fit: breaks, code: hub.CodeInvalidRequest, pointers: "?from ?prefix ?limit"},
		{name: "one", request: room, status: 200},
	})
	next := h.want(http.StatusOK, "GET", "/v1/channels?prefix=room-&limit=1", "")["next"].(string)
	for request, want := range map[string]string{
		"/v1/channels":                             `{"channels":[{"channel":"lobby","subscribers":1},{"channel":"room-1","subscribers":2},{"channel":"room-2","subscribers":1}]}`,
		"/v1/channels?prefix=room-2":               `{"channels":[{"channel":"room-2","subscribers":1}]}`,
		"/v1/channels?prefix=room-&cursor=" + next: `{"channels":[{"channel":"room-2","subscribers":1}]}`,
		"/v1/channels/room-1":                      `{"channel":"room-1","subscribers":2}`,
		"/v1/channels/nobody":                      `{"channel":"nobody","subscribers":0}`,
	} {
		if got := strings.TrimSpace(string(h.call("GET", request, "").body)); got != want {
			t.Errorf("GET %s: %s, want %s", request, got, want)
		}
	}
}

// message waits for one of an event stream and holds its data to a schema.
func (c *contract) message(f *feed, kind, schema string) message {
	f.t.Helper()
	m := f.next(kind)
	c.is(f.t, schema, []byte(m.data))
	return m
}

func TestEveryMessageOfAFeedIsAsDocumented(t *testing.T) {
	t.Parallel()
	c, h := newContract(t), contractHub(t)
	h.want(http.StatusCreated, "PUT", "/v1/streams/clicks", `{"max_events":1}`)
	clicks := h.publishMany("clicks", 300)
	trimmed := h.sse("/v1/readers/sse?stream=clicks&from=after:" + clicks[0])
	c.message(trimmed, "hub.gap", "ReaderGap")

	one, two := h.sse("/v1/readers/sse?stream=orders"), h.sse("/v1/readers/sse?stream=orders&stream=visits")
	id := h.publish("orders", `{"type":"a","topic":"b","key":"c","headers":{"d":"e"},"data":null}`)
	if m := c.message(one, "event", "PlainEvent"); m.id != id {
		t.Errorf("the id of an event of the one stream is %q, want %q", m.id, id)
	}
	m := c.message(two, "event", "PlainEvent")
	c.feed(t, h, "/v1/readers/sse?stream=orders&stream=visits", "Last-Event-ID: "+m.id)
	h.want(http.StatusNoContent, "DELETE", "/v1/streams/orders", "")
	h.publish("orders", `{"data_base64":"AAE="}`)
	c.message(one, "hub.gap", "ReaderGap")
	c.message(one, "event", "PlainEvent")

	stopped := make(chan error, 1)
	go func() { stopped <- h.stop() }()
	if m := c.message(one, "hub.drain", "FeedDrain"); m.retry == "" {
		t.Errorf("%+v has no retry", m)
	}
	one.over()
	<-stopped // the harness looks at the error
}

func TestEveryMessageOfABroadcastFeedIsAsDocumented(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	c, h := newContract(t), startHub(t, "HUB_REDIS_URL="+proxy.URL(), "HUB_BROADCAST_QUEUE_EVENTS=1")
	f := h.sse("/v1/broadcast/sse?channel=room-1&channel=room-2&slow=drop")
	h.call("POST", "/v1/broadcast/room-1", `{"type":"a","topic":"b","key":"c","headers":{"d":"e"},"data":[1]}`)
	if m := c.message(f, "event", "Message"); m.id != "" {
		t.Errorf("%+v has an id, from which nobody can go on", m)
	}
	flood(h, "room-1")
	c.gap(f, hub.GapSlow)
	loseBroadcasts(t, redis, "room-2", 3)
	c.gap(f, hub.GapLost)
	proxy.CutAll()
	c.gap(f, hub.GapReconnect)
	c.gap(f, hub.GapReconnect) // of the other channel

	stopped := make(chan error, 1)
	go func() { stopped <- h.stop() }()
	c.message(f, "hub.drain", "FeedDrain")
	f.over()
	<-stopped // the harness looks at the error
}

// gap waits for a gap with this reason, and passes over messages and other gaps.
func (c *contract) gap(f *feed, reason string) {
	f.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case m, open := <-f.messages:
			if !open {
				f.t.Fatalf("the event stream ended while a gap %q was awaited: %v", reason, f.ended)
			}
			schema := map[string]string{"event": "Message", "hub.gap": "ListenerGap"}[m.kind()]
			if schema == "" {
				continue // a comment
			}
			c.is(f.t, schema, []byte(m.data))
			if strings.Contains(m.data, fmt.Sprintf(`"reason":%q`, reason)) {
				return
			}
		case <-timeout:
			f.t.Fatalf("no gap %q came", reason)
		}
	}
}

// flood broadcasts more at once than a short queue takes.
func flood(h *testHub, channel string) {
	h.t.Helper()
	h.want(http.StatusAccepted, "POST", "/v1/broadcast/"+channel, "["+strings.Repeat(`{"data":1},`, 999)+`{"data":1}]`)
}

// loseBroadcasts: another hub says that it has sent so many messages, which never came.
func loseBroadcasts(t *testing.T, redis *redistest.Server, channel string, n int) {
	t.Helper()
	direct := redis.Client(t)
	for _, sent := range []int{1, 1 + n} { // by the first its messages are counted from now on
		mark := fmt.Sprintf("hub2 elsewhere %016x %016x %016x\n", 1, sent, 0)
		if err := direct.Publish(t.Context(), "hub:live:"+channel, mark).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASlowBroadcastFeedEndsAsDocumented(t *testing.T) {
	t.Parallel()
	c, h := newContract(t), contractHub(t, "HUB_BROADCAST_QUEUE_EVENTS=1")
	f := h.sse("/v1/broadcast/sse?channel=room")
	flood(h, "room")
	messages := f.over()
	last := messages[len(messages)-1]
	if last.kind() != "hub.error" || !strings.Contains(last.data, string(hub.CodeSlowConsumer)) {
		t.Fatalf("the last message is %+v", last)
	}
	c.is(t, "FeedError", []byte(last.data))
}
