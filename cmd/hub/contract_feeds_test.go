package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

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
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	c, h := newContract(t), startHub(t, "HUB_REDIS_URL="+proxy.URL())
	f := h.sse("/v1/broadcast/sse?channel=room-1&channel=room-2")
	h.call("POST", "/v1/broadcast/room-1", `{"type":"a","topic":"b","key":"c","headers":{"d":"e"},"data":[1]}`)
	if m := c.message(f, "event", "Message"); m.id != "" {
		t.Errorf("%+v has an id, from which nobody can go on", m)
	}
	proxy.CutAll()
	c.message(f, "hub.gap", "ListenerGap")
	c.message(f, "hub.gap", "ListenerGap") // of the other channel

	stopped := make(chan error, 1)
	go func() { stopped <- h.stop() }()
	c.message(f, "hub.drain", "FeedDrain")
	f.over()
	<-stopped // the harness looks at the error
}

func TestASlowBroadcastFeedEndsAsDocumented(t *testing.T) {
	t.Parallel()
	c, h := newContract(t), contractHub(t, "HUB_BROADCAST_QUEUE_EVENTS=1")
	f := h.sse("/v1/broadcast/sse?channel=room")
	batch := "[" + strings.Repeat(`{"data":1},`, 999) + `{"data":1}]`
	h.want(http.StatusAccepted, "POST", "/v1/broadcast/room", batch)
	messages := f.over()
	last := messages[len(messages)-1]
	if last.kind() != "hub.error" || !strings.Contains(last.data, string(hub.CodeSlowConsumer)) {
		t.Fatalf("the last message is %+v", last)
	}
	c.is(t, "FeedError", []byte(last.data))
}
