package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"

	"eventhub/internal/redistest"
)

// contractFrames holds the frames of one kind of socket to api/asyncapi.yaml,
// and remembers which it has met.
type contractFrames struct {
	schemas map[string]*openapi3.Schema // by message
	hub     []string                    // the messages that the hub sends
	client  []string                    // those that clients send
	met     map[string]bool
}

// newContractFrames reads a channel of the document. Its schemas are JSON
// Schema, so that the library for OpenAPI can read them; the rest it passes on.
func newContractFrames(t *testing.T, channel string) *contractFrames {
	t.Helper()
	text, err := os.ReadFile(contractAsyncAPI)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("\nservers:"), []byte("\nx-servers:"), 1) // of another form in OpenAPI
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true // openapi.yaml
	doc, err := loader.LoadFromDataWithPath(text, &url.URL{Path: contractAsyncAPI})
	if err != nil {
		t.Fatal(err)
	}
	doc.InternalizeRefs(t.Context(), func(_ *openapi3.T, ref openapi3.ComponentRef) string { return path.Base(ref.RefString()) })
	contractStrict(t, doc)

	var rest struct {
		Channels   map[string]struct{ Messages map[string]contractRef }
		Operations map[string]struct {
			Action   string
			Channel  contractRef
			Messages []contractRef
			Reply    struct{ Messages []contractRef }
		}
	}
	var messages map[string]struct{ Payload contractRef }
	contractConvert(t, doc.Extensions, &rest)
	contractConvert(t, doc.Components.Extensions["messages"], &messages)
	f := &contractFrames{schemas: map[string]*openapi3.Schema{}, met: map[string]bool{}}
	for name, message := range rest.Channels[channel].Messages {
		f.schemas[name] = doc.Components.Schemas[messages[message.name()].Payload.name()].Value
	}
	for _, operation := range rest.Operations {
		if operation.Channel.name() != channel {
			continue
		}
		sender, replier := &f.hub, &f.client
		if operation.Action == "receive" {
			sender, replier = replier, sender
		}
		for _, ref := range operation.Messages {
			*sender = append(*sender, ref.name())
		}
		for _, ref := range operation.Reply.Messages {
			*replier = append(*replier, ref.name())
		}
	}
	if len(f.schemas) == 0 || len(f.hub) == 0 {
		t.Fatalf("the document has no frames of %q", channel)
	}
	return f
}

// contractRef is {"$ref":"#/components/messages/Ack"}, whose name is Ack.
type contractRef struct {
	Ref string `json:"$ref"`
}

func (r contractRef) name() string { return path.Base(r.Ref) }

// contractConvert reads a generic value into a typed one.
func contractConvert(t *testing.T, from, to any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// match names the one message of these that the frame is, or says what is wrong.
func (f *contractFrames) match(names []string, frame []byte) (string, error) {
	var matches []string
	var faults strings.Builder
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for _, name := range names {
		if err := contractVisit(f.schemas[name], frame); err != nil {
			fmt.Fprintf(&faults, "not %s: %v\n", name, err)
		} else {
			matches = append(matches, name)
		}
	}
	if len(matches) != 1 {
		return "", fmt.Errorf("it is %q of the documented messages, want one: %s", matches, &faults)
	}
	f.met[matches[0]] = true
	return matches[0], nil
}

// contractSocket is a socket whose frames are held to the document.
type contractSocket struct {
	t      *testing.T
	conn   *websocket.Conn
	frames *contractFrames
}

// next waits for a message and passes over others.
func (s *contractSocket) next(message string) []byte {
	s.t.Helper()
	for {
		_, text, err := s.conn.Read(s.t.Context())
		if err != nil {
			s.t.Fatalf("while %s was awaited: %v", message, err)
		}
		got, err := s.frames.match(s.frames.hub, text)
		if err != nil {
			s.t.Fatalf("the frame %s: %v", text, err)
		}
		if got == message {
			return text
		}
	}
}

// event waits for a frame of one event and returns its id.
func (s *contractSocket) event() string {
	s.t.Helper()
	var f frame
	if err := json.Unmarshal(s.next("events"), &f); err != nil || len(f.Events) != 1 {
		s.t.Fatalf("%v, %d events", err, len(f.Events))
	}
	return f.Events[0].ID
}

// send sends a command that is documented.
func (s *contractSocket) send(format string, args ...any) {
	s.t.Helper()
	command := fmt.Appendf(nil, format, args...)
	if _, err := s.frames.match(s.frames.client, command); err != nil {
		s.t.Errorf("the document refuses the good command %s: %v", command, err)
	}
	if err := s.conn.Write(s.t.Context(), websocket.MessageText, command); err != nil {
		s.t.Fatal(err)
	}
}

// refused sends commands that the document refuses, and so does the hub.
func (s *contractSocket) refused(commands ...string) {
	s.t.Helper()
	for _, command := range commands {
		if name, err := s.frames.match(s.frames.client, []byte(command)); err == nil {
			s.t.Errorf("the document allows %s, as %s", command, name)
		}
		if err := s.conn.Write(s.t.Context(), websocket.MessageText, []byte(command)); err != nil {
			s.t.Fatal(err)
		}
		s.next("error")
	}
}

// closed waits for the end of the socket, which is to have this code, and checks
// that every documented message has been met.
func (s *contractSocket) closed(code websocket.StatusCode) {
	s.t.Helper()
	if _, text, err := s.conn.Read(s.t.Context()); websocket.CloseStatus(err) != code {
		s.t.Errorf("got %s and %v, want the close code %d", text, err, code)
	}
	for name := range s.frames.schemas {
		if !s.frames.met[name] {
			s.t.Errorf("no frame %q was met", name)
		}
	}
}

func TestEveryFrameOfASinkIsAsDocumented(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	conn := newContract(t).connect(t, h, "/v1/sinks/billing/ws?stream=orders&from=oldest")
	s := &contractSocket{t, conn, newContractFrames(t, "sink")}
	s.next("ready")

	h.call("POST", "/v1/streams/orders/events", `{"type":"a","topic":"b","key":"c","headers":{"d":"e"},"data":null}`)
	first := s.event()
	s.send(`{"type":"extend","ids":[%q,"1-0",{"id":"1-1","attempt":2147483647}],"ref":0}`, first)
	s.next("extended")
	s.send(`{"type":"nack","stream":"orders","ids":[%q,"1-0",{"id":"1-1","attempt":2}],"delay":"1ms","reason":"","dead_letter":false,"ref":"n"}`, first)
	s.next("nacked")
	if again := s.event(); again != first {
		t.Fatalf("%s came after the nack, want %s", again, first)
	}
	s.send(`{"type":"ack","ids":[%q,"1-0"],"ref":-1.5e3}`, first)
	s.next("acked")
	s.send(`{"type":"ack","stream":"visits","ids":["1-0"]}`) // good, but for this sink
	s.next("error")
	s.send(`{"type":"ack","up_to":%q,"ref":"up_to"}`, first)
	s.next("acked")
	s.refused(`{"type":"seek"}`, `{"ids":["1-0"]}`, `{"type":"ack"}`, `{"type":"ack","ids":[]}`, `{"type":"ack","ids":"1-0"}`,
		`{"type":"ack","ids":["1"]}`, `{"type":"ack","ids":["1-0"],"delay":"1s"}`, `{"type":"ack","ids":[{"id":"1-0","attempt":1}]}`,
		`{"type":"ack","ids":["1-0"],"up_to":"1-0"}`, `{"type":"ack","up_to":1}`, `{"type":"ack","ids":["1-0"],"ref":null}`,
		`{"type":"nack","ids":[{"id":"1-0","attempt":0}]}`, `{"type":"nack","ids":[{"id":"1-0"}]}`, `{"type":"nack","up_to":"1-0"}`,
		`{"type":"nack","ids":["1-0"],"delay":5}`, `{"type":"nack","ids":["1-0"],"reason":`+`"`+strings.Repeat("x", 1025)+`"}`,
		`{"type":"nack","ids":["1-0"],"dead_letter":"yes"}`, `{"type":"extend"}`, `{"type":"extend","ids":["1-0"],"delay":"1s"}`,
		`{"type":"credit"}`, `{"type":"credit","n":0}`, `{"type":"credit","n":10001}`, `{"type":"credit","n":1.5}`,
		`{"type":"pause","n":1}`, `{"type":"resume","stream":"orders"}`, `{"type":"add_stream"}`, `{"type":"add_stream","stream":"a~b"}`,
		`{"type":"add_stream","stream":"a","from":"now"}`, `{"type":"remove_stream","stream":"a","from":"oldest"}`)
	s.flow(h)
	s.publishing()
	s.authentication("/v1/sinks/billing/ws?stream=orders&from=oldest")
	s.losses(h, redis)

	h.call("POST", "/v1/streams/orders/events", `{"data_base64":"AAE="}`)
	held := s.event()
	stopped := make(chan error, 1)
	go func() { stopped <- h.stop() }()
	s.next("drain")
	s.send(`{"type":"ack","ids":[%q],"ref":"last"}`, held)
	s.next("acked")
	s.closed(websocket.StatusServiceRestart)
	<-stopped // the harness looks at the error
}

// flow is what says when to deliver, and what.
func (s *contractSocket) flow(h *testHub) {
	s.t.Helper()
	s.send(`{"type":"credit","n":1}`) // good, but with prefetch=0 only
	s.next("error")
	manual := &contractSocket{s.t, newContract(s.t).connect(s.t, h, "/v1/sinks/manual/ws?stream=orders&prefetch=0"), s.frames}
	manual.next("ready")
	manual.send(`{"type":"credit","n":10000,"ref":"c"}`)
	manual.next("done")
	_ = manual.conn.CloseNow() // nobody would read of the drain

	s.send(`{"type":"pause","ref":"p"}`)
	s.next("done")
	s.send(`{"type":"resume","ref":"r"}`)
	s.next("done")
	for range 2 { // at first without anything ignored
		s.send(`{"type":"add_stream","stream":"refunds","from":"oldest","ref":"a"}`)
		s.next("streamAdded")
	}
	s.send(`{"type":"remove_stream","stream":"refunds","ref":"r"}`)
	s.next("streamRemoved")
}

// publishing is what every socket takes, beside what is its own.
func (s *contractSocket) publishing() {
	s.t.Helper()
	for range 2 { // at first nothing of it is replayed
		s.send(`{"type":"publish","stream":"visits","events":[{"type":"a","data":null,"idempotency_key":"k"},{"data_base64":"AA=="}],"ref":"p"}`)
		s.next("published")
	}
	s.send(`{"type":"publish","stream":"visits","events":[{"data":1,"idempotency_key":"k"}]}`) // good, but for what was before
	s.next("error")
	s.send(`{"type":"publish","channel":"lobby","events":[{"type":"a","data":{"b":1.50}}],"ref":-1}`)
	s.next("sent")
	s.refused(`{"type":"publish"}`, `{"type":"publish","stream":"a"}`, `{"type":"publish","events":[{"data":1}]}`,
		`{"type":"publish","stream":"a","channel":"a","events":[{"data":1}]}`, `{"type":"publish","stream":"a~b","events":[{"data":1}]}`,
		`{"type":"publish","stream":"a","events":[]}`, `{"type":"publish","stream":"a","events":{"data":1}}`,
		`{"type":"publish","stream":"a","events":[{"topc":"a","data":1}]}`, `{"type":"publish","stream":"a","events":[{"data":1}],"if_exists":true}`,
		`{"type":"publish","stream":"a","events":[{"data":1,"idempotency_key":""}]}`,
		`{"type":"publish","channel":"a","events":[{"data":1,"idempotency_key":"k"}]}`)
}

// losses: events that a full stream drops, a group that is gone, and a stream that
// is taken from the sink.
func (s *contractSocket) losses(h *testHub, redis *redistest.Server) {
	s.t.Helper()
	h.want(http.StatusCreated, "PUT", "/v1/streams/clicks", `{"max_events":1}`)
	s.send(`{"type":"pause","ref":"p"}`)
	s.next("done")
	s.send(`{"type":"add_stream","stream":"clicks","ref":"a"}`)
	s.next("streamAdded")
	h.publishMany("clicks", 300)
	s.next("trimmed")
	s.send(`{"type":"remove_stream","stream":"clicks","ref":"r"}`)
	s.next("streamRemoved")
	s.send(`{"type":"resume","ref":"r"}`)
	s.next("done")

	if err := redis.Client(s.t).XGroupDestroy(s.t.Context(), "hub:{orders}:log", "billing").Err(); err != nil {
		s.t.Fatal(err)
	}
	s.next("reset")
	s.send(`{"type":"add_stream","stream":"visits","ref":"a"}`)
	s.next("streamAdded")
	h.put("billing", `{"streams":["orders","refunds"]}`)
	s.next("error")
	s.send(`{"type":"ack","ids":["1-0"],"ref":"again only one"}`)
	s.next("acked")
}

func TestEveryFrameOfAReaderIsAsDocumented(t *testing.T) {
	t.Parallel()
	h := contractHub(t)
	h.want(http.StatusCreated, "PUT", "/v1/streams/clicks", `{"max_events":1}`)
	clicks := h.publishMany("clicks", 300)
	frames := newContractFrames(t, "reader")
	connect := func(query string) *contractSocket {
		s := &contractSocket{t, newContract(t).connect(t, h, "/v1/readers/ws?"+query), frames}
		s.next("ready")
		return s
	}
	late := connect("stream=clicks&stream=visits&from=after:" + clicks[0])
	late.next("trimmed")
	late.next("events")
	_ = late.conn.CloseNow()

	s := connect("stream=orders&from=oldest")
	h.publish("orders", `{"type":"a","topic":"b","key":"c","headers":{"d":"e"},"data":null}`)
	s.event()
	s.send(`{"type":"pause","ref":"p"}`)
	s.next("done")
	s.send(`{"type":"resume","ref":"r"}`)
	s.next("done")
	for range 2 { // at first without anything ignored
		s.send(`{"type":"add_stream","stream":"refunds","from":"oldest","ref":"a"}`)
		s.next("streamAdded")
	}
	s.publishing()
	s.authentication("/v1/readers/ws?stream=orders")
	s.send(`{"type":"remove_stream","stream":"refunds","ref":"r"}`)
	s.next("streamRemoved")
	s.refused(`{"type":"ack","ids":["1-0"]}`, `{"type":"credit","n":1}`, `{"type":"pause","n":1}`, `{"type":"resume","ref":[]}`, `{"type":"add_stream"}`,
		`{"type":"add_stream","stream":"a","from":"now"}`, `{"type":"remove_stream","stream":"a~b"}`)

	h.want(http.StatusNoContent, "DELETE", "/v1/streams/orders", "")
	h.publish("orders", `{"data_base64":"AAE="}`)
	s.next("reset")
	s.event()
	stopped := make(chan error, 1)
	go func() { stopped <- h.stop() }()
	s.next("drain")
	s.closed(websocket.StatusServiceRestart)
	<-stopped // the harness looks at the error
}

func TestEveryFrameOfBroadcastIsAsDocumented(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL(), "HUB_BROADCAST_QUEUE_EVENTS=1", "HUB_MAX_CHANNELS_PER_SOCKET=3")
	conn := newContract(t).connect(t, h, "/v1/broadcast/ws?channel=room-1&channel=room-2&slow=drop")
	s := &contractSocket{t, conn, newContractFrames(t, "broadcast")}
	s.next("ready")

	h.call("POST", "/v1/broadcast/room-1", `{"type":"a","topic":"b","key":"c","headers":{"d":"e"},"data":[1]}`)
	s.event()
	h.call("POST", "/v1/broadcast/room-2", `[{"data_base64":"","content_type":"image/png"}]`)
	s.event()
	s.channels(h)
	s.publishing()
	s.authentication("/v1/broadcast/ws?channel=room-1&channel=room-2")
	s.refused(`{"type":"ack","ids":["1-0"],"ref":1}`, `{"type":"pause"}`, `{"type":"subscribe"}`, `{"type":"subscribe","channels":[]}`,
		`{"type":"subscribe","channels":"room-3"}`, `{"type":"subscribe","channels":["room-3",3]}`, `{"type":"subscribe","channels":["a~b"]}`,
		`{"type":"subscribe","channels":null}`, `{"type":"subscribe","channel":"room-3"}`, `{"type":"subscribe","channels":["room-3"],"topic":"eu.*"}`,
		`{"type":"unsubscribe"}`, `{"type":"unsubscribe","channels":[]}`, `{"type":"unsubscribe","channels":{}}`,
		`{"type":"unsubscribe","channels":["room-1"],"ref":true}`, `{"type":"unsubscribe","channels":["room-1"],"all":true}`)
	flood(h, "room-1")
	s.next("slow")
	loseBroadcasts(t, redis, "room-2", 3)
	s.next("lost")
	proxy.CutAll()
	s.next("cut")

	stopped := make(chan error, 1)
	go func() { stopped <- h.stop() }()
	s.next("drain")
	s.closed(websocket.StatusServiceRestart)
	<-stopped // the harness looks at the error
}

// channels: a broadcast socket changes those that it listens to.
func (s *contractSocket) channels(h *testHub) {
	s.t.Helper()
	for _, tc := range []struct{ command, channels, want string }{
		{"subscribe", `["room-3","room-1","room-3"]`, `["room-3","room-1"]`},
		{"unsubscribe", `["room-3","room-4"]`, `["room-3","room-4"]`},
		{"unsubscribe", `["room-2","room-1","room-2"]`, `["room-2","room-1"]`},
		{"subscribe", `["room-2"]`, `["room-2"]`},
		{"subscribe", `["room-1"]`, `["room-1"]`},
	} {
		s.send(`{"type":%q,"channels":%s,"ref":"c"}`, tc.command, tc.channels)
		if got, want := string(s.next("channelsDone")), `{"type":"ok","ref":"c","channels":`+tc.want+`}`; got != want {
			s.t.Errorf("%s %s was answered %s, want %s", tc.command, tc.channels, got, want)
		}
	}
	s.send(`{"type":"subscribe","channels":["room-3","room-4"]}`) // good, but for those that it has
	s.next("error")
	h.call("POST", "/v1/broadcast/room-1", `{"data":1}`)
	s.event()
}

func TestSocketsAreClosedWithTheDocumentedCodes(t *testing.T) {
	t.Parallel()
	h := contractHub(t, contractLimits...)
	frame := func(text string) func(*contractSocket) {
		return func(s *contractSocket) {
			if err := s.conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		end  func(*contractSocket)
		want websocket.StatusCode
	}{
		"an array":       {frame(`[]`), 4400},
		"no JSON":        {frame(`{"type":`), 4400},
		"too many bytes": {frame(`{"type":"` + strings.Repeat("x", 1<<20) + `"}`), 1009},
		"the sink deleted": {func(*contractSocket) {
			h.want(http.StatusNoContent, "DELETE", "/v1/sinks/billing", "")
		}, 4404},
		"the last stream taken": {func(*contractSocket) {
			h.put("billing", `{"streams":["payments"]}`)
		}, 4404},
	} {
		t.Run(name, func(t *testing.T) {
			conn := newContract(t).connect(t, h, "/v1/sinks/billing/ws?stream=orders")
			s := &contractSocket{t, conn, newContractFrames(t, "sink")}
			s.next("ready")
			tc.end(s)
			s.next("error")
			if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != tc.want {
				t.Errorf("%v, want the close code %d", err, tc.want)
			}
		})
	}
}
