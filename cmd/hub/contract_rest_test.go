package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"
	goredis "github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// contractCase is a request and what is to come of it.
type contractCase struct {
	name     string
	request  string // "POST /v1/streams/orders/events"
	body     string
	header   []string
	fit      fit
	status   int      // 0: that of the code
	code     hub.Code // of a problem; "": whichever is documented
	pointers string   // of the problem's errors; "*": any
}

// contractUpgrade is a WebSocket handshake, for those that are refused.
var contractUpgrade = []string{
	"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// contractUnmet are the codes that no answer here can have.
var contractUnmet = []string{string(hub.CodeSlowConsumer)} // ends WebSockets only

// TestEveryAnswerIsAsDocumented brings about every answer of every operation, and
// with it every code that its description names. Its subtests share what has been
// met and run one after the other.
func TestEveryAnswerIsAsDocumented(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	t.Run("publishing", c.publishing)
	t.Run("publishing once", c.publishingOnce)
	t.Run("publishing CloudEvents", c.publishingCloudEvents)
	t.Run("publishing bodies as they are", c.publishingRaw)
	t.Run("publishing to several streams", c.publishingMany)
	t.Run("streams", c.streams)
	t.Run("events", c.events)
	t.Run("reading", c.reading)
	t.Run("streams that nobody has made", c.unmade)
	t.Run("broadcasting", c.broadcasting)
	t.Run("listening", c.listening)
	t.Run("channels", c.channels)
	t.Run("sinks", c.sinks)
	t.Run("bodies", c.bodies)
	t.Run("settling", c.settling)
	t.Run("dead letters", c.deadLetters)
	t.Run("consuming", c.consuming)
	t.Run("operations", c.operations)
	t.Run("the log's level", c.logLevel)
	t.Run("tickets", c.tickets)
	t.Run("nobody", c.nobody)
	t.Run("without permission", c.forbidden)
	t.Run("too often", c.limited)
	t.Run("encoded bodies", c.encoded)
	t.Run("methods that a path does not have", c.methods)
	t.Run("pages of other origins", c.foreign)
	t.Run("Redis gone", c.redisGone)
	t.Run("Redis out of memory", c.redisFull)
	t.Run("Redis out of disk", c.diskFull)
	t.Run("Redis refuses commands", c.redisRefuses)
	t.Run("Redis full of other things", c.redisOccupied)
	for _, item := range c.doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for status, documented := range operation.Responses.Map() {
				c.wantMet(t, operation.OperationID+" "+status, documented)
			}
		}
	}
	for _, code := range c.codes() {
		if c.met[code] == slices.Contains(contractUnmet, code) {
			t.Errorf("has the code %s been met: %v", code, c.met[code])
		}
	}
}

// wantMet makes sure that an answer was met, "publish 400", with each of its codes.
// Whether a 503 is unavailable or unconfirmed is no operation's own.
func (c *contract) wantMet(t *testing.T, answer string, documented *openapi3.ResponseRef) {
	t.Helper()
	if !c.met[answer] {
		t.Errorf("%s has not been met", answer)
	}
	for _, code := range contractNamed(contractDescription(documented)) {
		if slices.Contains(c.codes(), code) && !strings.HasSuffix(answer, " 503") && !c.met[answer+" "+code] {
			t.Errorf("%s has not been met with %s", answer, code)
		}
	}
}

func (c *contract) run(t *testing.T, h *testHub, cases []contractCase) {
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if tc.status == 0 {
				tc.status = tc.code.Status()
			}
			method, path, _ := strings.Cut(tc.request, " ")
			answer := h.call(method, path, tc.body, tc.header...)
			if answer.StatusCode != tc.status {
				t.Fatalf("%d %s, want %d", answer.StatusCode, answer.body, tc.status)
			}
			c.check(t, tc.fit, answer)
			if tc.code == "" {
				return
			}
			got := contractProblem(t, answer)
			var pointers []string
			for _, fault := range got.Errors {
				pointers = append(pointers, fault.Pointer)
			}
			if got.Code != tc.code || tc.pointers != "*" && strings.Join(pointers, " ") != tc.pointers {
				t.Errorf("code %s with errors at %q, want %s at %q: %s", got.Code, pointers, tc.code, tc.pointers, answer.body)
			}
		})
	}
}

func contractHub(t *testing.T, settings ...string) *testHub {
	t.Helper()
	return startHub(t, append([]string{"HUB_REDIS_URL=" + startRedis(t).URL()}, settings...)...)
}

// contractLimits are small, so that they are cheap to exceed.
var contractLimits = []string{"HUB_MAX_EVENT_BYTES=100", "HUB_MAX_BATCH_BYTES=1000", "HUB_MAX_BATCH_EVENTS=3", "HUB_MAX_STREAMS_PER_SOCKET=2", "HUB_MAX_CHANNELS_PER_SOCKET=2"}

func (c *contract) publishing(t *testing.T) {
	const orders = "POST /v1/streams/orders/events"
	form := []string{"Content-Type: application/x-www-form-urlencoded"}
	long, control := strings.Repeat("x", 256), `{"type":"\u0007","data":1}`
	c.run(t, contractHub(t, contractLimits...), []contractCase{
		{
			name: "an event with all fields", request: orders, status: 201,
			body: `{"type":"a","topic":"b","key":"c","content_type":"x/y+json","headers":{"d":"e"},"data":{"f":[1.50,null]}}`,
		},
		{name: "several events", request: orders, body: `[{"data":null},{"data":"x"},{"data_base64":"AAE="}]`, status: 201},
		{name: "an array of one", request: orders, body: `[{"data":1}]`, status: 201},
		{name: "as curl -d sends it", request: orders, body: `{"data":{"id":1}}`, header: form, status: 201},
		{name: "without a content type", request: orders, body: `{"data":1}`, header: []string{"Content-Type: "}, fit: beyond, status: 201},
		{name: "the longest name and label", request: "POST /v1/streams/" + long[:128] + "/events", body: `{"type":"` + long + `","data":1}`, status: 201},
		{name: "a name too long", request: "POST /v1/streams/" + long[:129] + "/events", body: `{"data":1}`, fit: breaks, code: hub.CodeInvalidName},
		{name: "a name with another beginning", request: "POST /v1/streams/-a/events", body: `{"data":1}`, fit: breaks, code: hub.CodeInvalidName},
		{name: "no body", request: orders, fit: breaks, code: hub.CodeInvalidRequest},
		{name: "no JSON", request: orders, body: `{"data":`, fit: breaks, code: hub.CodeInvalidRequest},
		{name: "no object", request: orders, body: `"data"`, fit: breaks, code: hub.CodeInvalidRequest},
		{name: "an empty array", request: orders, body: `[]`, fit: breaks, code: hub.CodeInvalidRequest},
		{
			name: "every fault is listed", request: orders, body: `[{"topc":"x","data":1},{"type":5},{"data":1,"data_base64":""}]`,
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "/0/topc /1/type /1/data /2/data_base64",
		},
		{name: "a label too long", request: orders, body: `{"key":"x` + long + `","data":1}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/key"},
		{name: "a control character", request: orders, body: control, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/type"},
		{name: "no media type", request: orders, body: `{"content_type":"png","data":1}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/content_type"},
		{name: "headers that are no strings", request: orders, body: `{"headers":{"a/b":1},"data":1}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/headers/a~1b"},
		{name: "no base64", request: orders, body: `{"data_base64":"!"}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "/data_base64"},
		{name: "an unknown parameter", request: orders + "?sync=1", body: `{"data":1}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "?sync"},
		{name: "too much data", request: orders, body: `[{"data":1},{"data":"` + long[:99] + `"}]`, fit: beyond, code: hub.CodePayloadTooLarge, pointers: "/1/data"},
		{name: "too many events", request: orders, body: `[{"data":1},{"data":1},{"data":1},{"data":1}]`, fit: beyond, code: hub.CodePayloadTooLarge},
		{name: "too many bytes", request: orders, body: `{"data":1}` + strings.Repeat(" ", 1000), fit: beyond, code: hub.CodePayloadTooLarge},
		{name: "another content type", request: orders, body: `{"data":1}`, header: []string{"Content-Type: text/plain"}, fit: beyond, code: hub.CodeUnsupportedMedia},

		{name: "lines", request: orders, body: "{\"type\":\"a\",\"data\":1}\r\n\n{\"data_base64\":\"\"}", header: contractLines, status: 201},
		{name: "no lines", request: orders, body: " \n", header: contractLines, fit: beyond, code: hub.CodeInvalidRequest},
		{
			name: "every fault of lines is listed", request: orders, body: "{\"data\":1}\n{\"topc\":1}\n5", header: contractLines,
			fit: beyond, code: hub.CodeInvalidRequest, pointers: "/1/topc /1/data /2",
		},
		{name: "if the stream exists", request: orders + "?if_exists=true", body: `{"data":1}`, status: 201},
		{name: "if the stream does not exist", request: "POST /v1/streams/visits/events?if_exists=true", body: `{"data":1}`, code: hub.CodeStreamNotFound},
		{name: "if it may exist", request: orders + "?if_exists=maybe", body: `{"data":1}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "?if_exists"},
	})
}

// contractLines is the content type of NDJSON.
var contractLines = []string{"Content-Type: application/x-ndjson"}

func (c *contract) broadcasting(t *testing.T) {
	const room = "POST /v1/broadcast/room-1"
	c.run(t, contractHub(t, contractLimits...), []contractCase{
		{name: "an event", request: room, body: `{"data":"hi"}`, status: 202},
		{name: "several events", request: room, body: `[{"data":1},{"data":2}]`, status: 202},
		{name: "a wrong name", request: "POST /v1/broadcast/a~b", body: `{"data":1}`, fit: breaks, code: hub.CodeInvalidName},
		{name: "no data", request: room, body: `{"id":1}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/id /data"},
		{name: "too much data", request: room, body: `{"data":"` + strings.Repeat("x", 99) + `"}`, fit: beyond, code: hub.CodePayloadTooLarge, pointers: "/data"},
		{name: "another content type", request: room, body: `{"data":1}`, header: []string{"Content-Type: application/xml"}, fit: beyond, code: hub.CodeUnsupportedMedia},
		{name: "lines", request: room, body: "{\"data\":1}\n{\"data\":2}\n", header: contractLines, status: 202},
		{name: "a CloudEvent", request: room, body: contractCloudEvent, header: contractStructured, status: 202},
		{name: "a CloudEvent in headers", request: room, body: "hi", header: append([]string{"Content-Type: text/plain"}, contractBinary...), status: 202},
		{name: "CloudEvents", request: room, body: "[" + contractCloudEvent + "]", header: contractBatch, status: 202},
		{name: "once", request: room, body: `{"data":1,"idempotency_key":"k"}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/idempotency_key"},
		{
			name: "once as a whole", request: room, body: `{"data":1}`, header: []string{"Idempotency-Key: k"},
			fit: beyond, code: hub.CodeInvalidRequest, pointers: "header Idempotency-Key",
		},
	})
}

// connect opens a WebSocket and holds the handshake to the document.
func (c *contract) connect(t *testing.T, h *testHub, path string) *websocket.Conn {
	t.Helper()
	conn, answer, err := websocket.Dial(t.Context(), h.base+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: h.via}, Subprotocols: []string{"hub.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	c.check(t, fits, response{Response: answer})
	if conn.Subprotocol() != "hub.v1" {
		t.Errorf("the subprotocol is %q, want what was offered", conn.Subprotocol())
	}
	return conn
}

// contractSettings are all of a sink, none of them the default.
const contractSettings = `"from":"oldest","topics":["eu.**","re:us[.].*"],"types":["order.*"],"ack":"explicit","ack_wait":"1m30s",` +
	`"max_deliveries":0,"backoff":["0s","1.5s","1h"],"order":"strict","expires_after":"0"`

func (c *contract) sinks(t *testing.T) {
	const billing, put = "/v1/sinks/billing", "PUT /v1/sinks/billing"
	h := contractHub(t, contractLimits...)
	c.run(t, h, []contractCase{
		{name: "no sinks", request: "GET /v1/sinks", status: 200},
		{name: "a sink that nobody has made", request: "GET " + billing, code: hub.CodeSinkNotFound},
		{name: "a new sink without streams", request: put, body: `{}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "/streams"},
		{
			name: "a sink of an order to come", request: put, body: `{"streams":["orders"],"ack":"maybe","order":"key"}`,
			fit: breaks, code: hub.CodeNotSupported, pointers: "/order /ack",
		},
		{name: "a new sink", request: put, body: `{"streams":["orders","refunds"],` + contractSettings + `}`, status: 201},
		{name: "the same again", request: put, body: `{"streams":["orders","refunds"],` + contractSettings + `}`, status: 200},
		{name: "with other settings", request: put, body: `{"streams":["orders"],"ack_wait":"0.5s"}`, status: 200},
		{name: "with the defaults", request: put, body: `{}`, status: 200},
		{name: "with another order", request: put, body: `{"order":"none"}`, code: hub.CodeConflict},
		{
			name: "every fault is listed", request: put, fit: breaks, code: hub.CodeInvalidRequest,
			body:     `{"streams":[],"from":"now","topics":[""],"types":"x","max_deliveries":-1,"backoff":["x"],"expires_after":"0.5s","prefetch":1}`,
			pointers: "/streams /from /topics/0 /types /max_deliveries /backoff/0 /expires_after /prefetch",
		},
		{name: "a regular expression that is none", request: put, body: `{"topics":["re:("]}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "/topics/0"},

		{name: "a sink", request: "GET " + billing, status: 200},
		{name: "a sink with a wrong name", request: "GET /v1/sinks/a~b", fit: breaks, code: hub.CodeInvalidName},
		{name: "a sink with a parameter", request: "GET " + billing + "?verbose=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?verbose"},
		{name: "another sink", request: "PUT /v1/sinks/audit", body: `{"streams":["orders"]}`, status: 201},
		{name: "all sinks", request: "GET /v1/sinks?limit=1000&cursor=a", status: 200},
		{name: "the first of them", request: "GET /v1/sinks?limit=1", status: 200},
		{name: "none of them", request: "GET /v1/sinks?limit=0&from=a", fit: breaks, code: hub.CodeInvalidRequest, pointers: "?from ?limit"},

		{name: "deleting it", request: "DELETE " + billing, status: 204},
		{name: "deleting it again", request: "DELETE " + billing, status: 204},
		{name: "deleting a wrong name", request: "DELETE /v1/sinks/a~b", fit: breaks, code: hub.CodeInvalidName},
		{name: "deleting with a parameter", request: "DELETE " + billing + "?force=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?force"},
	})
}

// bodies: what all operations of a sink that have a body refuse.
func (c *contract) bodies(t *testing.T) {
	h := contractHub(t, contractLimits...)
	h.put("billing", `{"streams":["orders"]}`)
	ids := strings.Repeat(`"1-0",`, 10_000) + `"1-0"`
	roomy := contractHub(t)
	for request, body := range map[string]string{
		"PUT /v1/sinks/billing":                       `{"streams":["orders"]}`,
		"POST /v1/sinks/billing/pull":                 `{"max":1}`,
		"POST /v1/sinks/billing/acks":                 `{"stream":"orders","ids":["1-0"]}`,
		"POST /v1/sinks/billing/nacks":                `{"stream":"orders","ids":["1-0"]}`,
		"POST /v1/sinks/billing/extend":               `{"stream":"orders","ids":["1-0"]}`,
		"POST /v1/sinks/billing/seek":                 `{"stream":"orders","to":"latest"}`,
		"POST /v1/sinks/billing/dead-letters/redrive": `{"ids":["1-0"]}`,
	} {
		_, path, _ := strings.Cut(request, "/billing")
		wrong := strings.Replace(request, "billing", "a~b", 1)
		form, text := []string{"Content-Type: application/x-www-form-urlencoded"}, []string{"Content-Type: text/plain"}
		cases := []contractCase{
			{name: "as curl -d sends it", request: request, body: body, header: form, status: 200},
			{name: "as text", request: request, body: body, header: text, fit: breaks, code: hub.CodeUnsupportedMedia},
			{name: "too many bytes", request: request, body: body + strings.Repeat(" ", 1000), fit: beyond, code: hub.CodePayloadTooLarge},
			{name: "no JSON", request: request, body: body[1:], fit: breaks, code: hub.CodeInvalidRequest},
			{name: "no object", request: request, body: "[" + body + "]", fit: breaks, code: hub.CodeInvalidRequest},
			{name: "a field twice", request: request, body: body[:len(body)-1] + "," + body[1:], fit: beyond, code: hub.CodeInvalidRequest, pointers: "*"},
			{name: "an unknown field", request: request, body: `{"colour":1,` + body[1:], fit: breaks, code: hub.CodeInvalidRequest, pointers: "/colour"},
			{name: "an unknown parameter", request: request + "?colour=1", body: body, fit: beyond, code: hub.CodeInvalidRequest, pointers: "?colour"},
			{name: "a wrong name", request: wrong, body: body, fit: breaks, code: hub.CodeInvalidName},
		}
		if path == "/pull" {
			cases = append(cases, contractCase{name: "no body", request: request, status: 200})
		} else {
			cases = append(cases, contractCase{name: "no body", request: request, fit: breaks, code: hub.CodeInvalidRequest})
		}
		t.Run(path, func(t *testing.T) {
			c.run(t, h.in(t), cases)
			if many := strings.Replace(body, `"1-0"`, ids, 1); many != body {
				c.run(t, roomy.in(t), []contractCase{{name: "too many ids", request: request, body: many, fit: breaks, code: hub.CodePayloadTooLarge, pointers: "/ids"}})
			}
		})
	}
}

func (c *contract) settling(t *testing.T) {
	const acks, nacks, extend = "POST /v1/sinks/billing/acks", "POST /v1/sinks/billing/nacks", "POST /v1/sinks/billing/extend"
	const pending, seek = "GET /v1/sinks/billing/pending", "POST /v1/sinks/billing/seek"
	h := contractHub(t)
	for _, request := range []string{acks, nacks, extend} {
		c.run(t, h, []contractCase{{name: "for no sink", request: request, body: `{"stream":"orders","ids":["1-0"]}`, code: hub.CodeSinkNotFound}})
	}
	c.run(t, h, []contractCase{
		{name: "what no sink owes", request: pending, code: hub.CodeSinkNotFound},
		{name: "moving no sink", request: seek, body: `{"stream":"orders","to":"latest"}`, code: hub.CodeSinkNotFound},
		{name: "pulling from no sink", request: "POST /v1/sinks/billing/pull", code: hub.CodeSinkNotFound},
	})
	id := h.publishMany("orders", 6)
	h.dial("/v1/sinks/billing/ws?stream=orders&from=oldest&prefetch=2&consumer=worker").events(2)
	c.run(t, h, []contractCase{{name: "pulling", request: "POST /v1/sinks/billing/pull?stream=orders", body: `{"max":3,"wait":"60s"}`, status: 200}})
	for _, request := range []string{acks, nacks, extend} {
		c.run(t, h, []contractCase{
			{name: "for another stream", request: request, body: `{"stream":"visits","ids":["1-0"]}`, code: hub.CodeStreamNotFound},
			{name: "malformed ids", request: request, body: `{"stream":"orders","ids":["1-0","1",1]}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/ids/1 /ids/2"},
			{name: "nothing", request: request, body: `{"stream":"a~b","ids":[]}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/stream /ids"},
			{name: "no fields", request: request, body: `{}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/stream /ids"},
		})
	}
	current := `["1-0","` + id[2] + `",{"id":"` + id[3] + `","attempt":1},{"id":"` + id[4] + `","attempt":2}]`
	c.run(t, h, []contractCase{
		{name: "more time", request: extend, body: `{"stream":"orders","ids":` + current + `}`, status: 200},
		{name: "later", request: nacks, body: `{"stream":"orders","ids":` + current + `,"delay":"720h","reason":"busy","dead_letter":false}`, status: 200},
		{name: "more time for what waits", request: extend, body: `{"stream":"orders","ids":["` + id[2] + `"]}`, status: 200},
		{name: "later than ever", request: nacks, body: `{"stream":"orders","ids":["1-0"],"delay":"721h"}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "/delay"},
		{
			name: "faults of a nack", request: nacks, body: `{"stream":"orders","ids":[{"id":"1-0"}],"delay":5,"reason":7,"dead_letter":1}`,
			fit: breaks, code: hub.CodeInvalidRequest, pointers: "/ids/0/attempt /delay /reason /dead_letter",
		},
		{name: "held and waiting events", request: pending, status: 200},
		{name: "the oldest of them", request: pending + "?limit=1", status: 200},
		{name: "none of them", request: pending + "?limit=0&cursor=a", fit: breaks, code: hub.CodeInvalidRequest, pointers: "?cursor ?limit"},
		{name: "those of a wrong name", request: "GET /v1/sinks/a~b/pending", fit: breaks, code: hub.CodeInvalidName},

		{name: "acks", request: acks, body: `{"stream":"orders","ids":["` + id[0] + `","1-0"]}`, status: 200},
		{name: "acks up to", request: acks, body: `{"stream":"orders","up_to":"` + id[2] + `"}`, status: 200},
		{name: "acks of both", request: acks, body: `{"stream":"orders","ids":["1-0"],"up_to":"1-0"}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/up_to"},
		{name: "acks of deliveries", request: acks, body: `{"stream":"orders","ids":[{"id":"1-0","attempt":1}]}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/ids/0"},

		{name: "a seek", request: seek, body: `{"stream":"orders","to":"after:` + id[1] + `"}`, status: 200},
		{name: "a seek to a time", request: seek, body: `{"stream":"orders","to":"at:2025-11-20T14:46:40+01:00"}`, status: 200},
		{name: "a seek to nowhere", request: seek, body: `{"to":"now"}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/to /stream"},
		{name: "a seek in another stream", request: seek, body: `{"stream":"visits","to":"oldest"}`, code: hub.CodeStreamNotFound},
	})
}

func (c *contract) deadLetters(t *testing.T) {
	const letters, redrive = "/v1/sinks/billing/dead-letters", "POST /v1/sinks/billing/dead-letters/redrive"
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	c.run(t, h, []contractCase{
		{name: "those of no sink", request: "GET " + letters, code: hub.CodeSinkNotFound},
		{name: "purging those of no sink", request: "DELETE " + letters, code: hub.CodeSinkNotFound},
		{name: "redriving those of no sink", request: redrive, body: `{"all":true}`, code: hub.CodeSinkNotFound},
	})
	h.put("billing", `{"streams":["orders"],"from":"oldest"}`)
	id := h.publish("orders", `{"type":"a","topic":"b","key":"c","headers":{"d":"e"},"data":[1.50]}`)
	if err := redis.Client(t).Do(t.Context(), "XADD", "hub:{orders}:log", "*", "v", "1", "type", "x").Err(); err != nil {
		t.Fatal(err) // an entry that nobody can read
	}
	h.pull("billing", "", "")
	h.settle("billing", "nacks", `{"stream":"orders","ids":[%q],"dead_letter":true,"reason":"no such customer"}`, id)
	buried(t, h, "billing", 2)
	c.run(t, h, []contractCase{
		{name: "all", request: "GET " + letters, status: 200},
		{name: "the first", request: "GET " + letters + "?limit=1", status: 200},
		{name: "none", request: "GET " + letters + "?limit=1001&topic=a", fit: breaks, code: hub.CodeInvalidRequest, pointers: "?topic ?limit"},
		{name: "behind no page", request: "GET " + letters + "?cursor=a", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?cursor"},
		{name: "of a wrong name", request: "GET /v1/sinks/a~b/dead-letters", fit: breaks, code: hub.CodeInvalidName},

		{name: "redriving some", request: redrive, body: `{"ids":["` + id + `","1-0"],"stream":"orders"}`, status: 200},
		{name: "redriving all", request: redrive, body: `{"all":true}`, status: 200},
		{name: "redriving those of another stream", request: redrive, body: `{"all":true,"stream":"visits"}`, code: hub.CodeStreamNotFound},
		{name: "redriving nothing", request: redrive, body: `{"stream":"a~b","ids":[]}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/stream /ids"},
		{name: "redriving none", request: redrive, body: `{"all":false}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/all"},
		{name: "redriving some and all", request: redrive, body: `{"all":true,"ids":["1-0"]}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/all"},

		{name: "purging", request: "DELETE " + letters, status: 204},
		{name: "purging some", request: "DELETE " + letters + "?limit=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?limit"},
		{name: "purging a wrong name", request: "DELETE /v1/sinks/a~b/dead-letters", fit: breaks, code: hub.CodeInvalidName},
		{name: "none are left", request: "GET " + letters, status: 200},
	})
}

// contractQuery are the parameters of a sink, in their order, each good for it.
const contractQuery = "stream=orders&stream=refunds&from=at:2025-11-20T14:46:40Z&topic=eu.**&topic=us.*&type=order.*&ack=explicit&ack_wait=1m30s" +
	"&max_deliveries=7&backoff=1s&backoff=1.5m&order=none&expires_after=24h&consumer=worker%201"

// contractWrong are the same, none of them good.
const contractWrong = "?limit=1&stream=a&stream=b&stream=c&from=now&topic=&type=%07&ack=maybe&ack_wait=1ms&max_deliveries=x&backoff=-1s" +
	"&order=best&expires_after=1ms&consumer=%00"

func (c *contract) consuming(t *testing.T) {
	const socket, pull = "GET /v1/sinks/billing/ws", "POST /v1/sinks/billing/pull"
	const pointers = "?limit ?stream ?from ?topic ?type ?ack ?ack_wait ?max_deliveries ?backoff ?order ?expires_after ?consumer"
	h := contractHub(t, contractLimits...)
	conn := c.connect(t, h, "/v1/sinks/billing/ws?"+contractQuery+"&prefetch=20&max_bytes=1073741824&batch=10&max_latency=1ms")
	if _, _, err := conn.Read(t.Context()); err != nil { // ready
		t.Fatal(err)
	}
	waiting := h.pulling("billing", "?stream=orders&consumer=worker+2", `{"wait":"60s"}`)
	eventually(t, func() string {
		if n := consumers(t, h, "billing"); n != 2 {
			return fmt.Sprint("the sink has ", n, " consumers")
		}
		return ""
	})
	foreign := append([]string{"Origin: null"}, contractUpgrade...)
	c.run(t, h, []contractCase{
		{name: "a sink with consumers", request: "GET /v1/sinks/billing", status: 200},
		{name: "nothing", request: socket, fit: breaks, code: hub.CodeInvalidRequest, pointers: "?stream"},
		{
			name: "every wrong parameter is listed", request: socket + contractWrong + "&prefetch=-1&max_bytes=0&batch=0&max_latency=2m",
			fit: breaks, code: hub.CodeInvalidRequest, pointers: pointers + " ?prefetch ?max_bytes ?batch ?max_latency",
		},
		{name: "a batch that is never full", request: socket + "?stream=a&prefetch=2&batch=3", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?batch"},
		{name: "a wrong name", request: socket + "?stream=a~b", fit: breaks, code: hub.CodeInvalidName, pointers: "?stream"},
		{name: "a sink of a wrong name", request: "GET /v1/sinks/a~b/ws?stream=orders", fit: breaks, code: hub.CodeInvalidName},
		{name: "an order to come", request: socket + "?stream=orders&order=key", fit: breaks, code: hub.CodeNotSupported, pointers: "?order"},
		{name: "another ack_wait", request: socket + "?stream=orders&ack_wait=1m", code: hub.CodeConflict},
		{name: "without an upgrade", request: socket + "?" + contractQuery + "&prefetch=0", code: hub.CodeUpgradeRequired},
		{name: "from another site", request: socket + "?stream=orders&from=after:1-0", header: foreign, fit: beyond, code: hub.CodeForbidden},

		{name: "pulling", request: pull + "?" + contractQuery, body: `{"max":10000,"wait":"0s"}`, status: 200},
		{name: "pulling with wrong parameters", request: pull + contractWrong, fit: breaks, code: hub.CodeInvalidRequest, pointers: pointers},
		{name: "pulling with a socket's parameter", request: pull + "?prefetch=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?prefetch"},
		{name: "pulling from a wrong name", request: pull + "?stream=a~b", fit: breaks, code: hub.CodeInvalidName, pointers: "?stream"},
		{name: "pulling in an order to come", request: pull + "?order=key", fit: breaks, code: hub.CodeNotSupported, pointers: "?order"},
		{name: "pulling with another topic", request: pull + "?topic=eu.**", code: hub.CodeConflict},
		{name: "pulling nothing", request: pull, body: `{"max":0,"wait":5}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/max /wait"},
		{name: "pulling too long", request: pull, body: `{"wait":"61s"}`, fit: beyond, code: hub.CodeInvalidRequest, pointers: "/wait"},
	})
	h.publish("orders", `{"type":"order.created","topic":"us.ny","data":1}`)
	h.publish("orders", `{"type":"order.created","topic":"eu.de","data":2}`)
	_ = conn.CloseNow()
	c.check(t, fits, <-waiting) // which got one of them, or what the socket held
}

func (c *contract) operations(t *testing.T) {
	h := contractHub(t)
	eventually(t, func() string {
		if answer := h.call("GET", "/readyz", ""); answer.StatusCode != http.StatusOK {
			return fmt.Sprintf("%d %s", answer.StatusCode, answer.body)
		}
		return ""
	})
	c.run(t, h, []contractCase{
		{name: "livez", request: "GET /livez", status: 200},
		{name: "readyz", request: "GET /readyz", status: 200},
		{name: "metrics", request: "GET /metrics", status: 200},
		{name: "openapi.yaml", request: "GET /openapi.yaml", status: 200},
		{name: "asyncapi.yaml", request: "GET /asyncapi.yaml", status: 200},
		{name: "an unknown path", request: "GET /v2/streams", fit: beyond, code: hub.CodeNotFound},
		{name: "an id that the caller gives", request: "GET /v1/sinks/billing", header: []string{"X-Request-Id: my.id_1-2"}, code: hub.CodeSinkNotFound},
	})
	c.run(t, contractHub(t, "HUB_ADMIN_ADDR=127.0.0.1:0"), []contractCase{
		{name: "metrics served elsewhere", request: "GET /metrics", code: hub.CodeNotFound},
	})
}

func (c *contract) methods(t *testing.T) {
	h := contractHub(t)
	for path, item := range c.doc.Paths.Map() {
		answer := h.call(http.MethodPatch, strings.NewReplacer("{", "", "}", "").Replace(path), "")
		if answer.StatusCode != http.StatusMethodNotAllowed {
			t.Fatalf("PATCH %s: %d %s", path, answer.StatusCode, answer.body)
		}
		for method := range item.Operations() {
			answer.Request.Method = method // each of them documents the answer to the others
			c.check(t, beyond, answer)
			if !slices.Contains(answer.Header.Values("Allow"), method) {
				t.Errorf("%s: Allow is %q, want %s in it", path, answer.Header.Values("Allow"), method)
			}
		}
	}
}

// foreign asks for everything as a page of another site does.
func (c *contract) foreign(t *testing.T) {
	h := contractHub(t)
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			answer := h.call(method, strings.NewReplacer("{", "", "}", "").Replace(path), "", "Origin: https://elsewhere.example")
			if answer.StatusCode != http.StatusForbidden {
				t.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, answer.body)
			}
			c.check(t, beyond, answer)
		}
	}
}

// contractEverything asks for everything that needs Redis, and wants one status, but
// where exceptions name another. held are two pending events, dead is a dead letter.
func contractEverything(status int, exceptions map[string]int, held [2]string, dead string) []contractCase {
	const billing = "/v1/sinks/billing"
	settle := func(id string) string { return `{"stream":"orders","ids":["` + id + `"]}` }
	cases := []contractCase{
		{name: "publish", request: "POST /v1/streams/orders/events", body: `{"data":1}`},
		{name: "publish several", request: "POST /v1/streams/orders/events", body: `[{"data":1},{"data":2}]`},
		{name: "publishRaw", request: "POST /v1/streams/orders/raw", body: `1`},
		{name: "publishMany", request: "POST /v1/events", body: `[{"stream":"orders","data":1}]`},
		{name: "listStreams", request: "GET /v1/streams"},
		{name: "putStream", request: "PUT /v1/streams/orders", body: `{"max_age":"24h"}`},
		{name: "readStream", request: "GET /v1/streams/orders"},
		{name: "readEvents", request: "GET /v1/streams/orders/events"},
		{name: "readEvent", request: "GET /v1/streams/orders/events/" + held[0]},
		{name: "read", request: "GET /v1/readers/ws?stream=orders", header: contractUpgrade},
		{name: "readFeed", request: "GET /v1/readers/sse?stream=orders"},
		{name: "broadcast", request: "POST /v1/broadcast/room", body: `{"data":1}`},
		{name: "listChannels", request: "GET /v1/channels"},
		{name: "readChannel", request: "GET /v1/channels/room"},
		{name: "listSinks", request: "GET /v1/sinks"},
		{name: "putSink", request: "PUT " + billing, body: `{"streams":["orders"]}`},
		{name: "readSink", request: "GET " + billing},
		{name: "consume", request: "GET " + billing + "/ws?stream=orders", header: contractUpgrade},
		{name: "pull", request: "POST " + billing + "/pull"},
		{name: "extend", request: "POST " + billing + "/extend", body: settle(held[0])},
		{name: "ack", request: "POST " + billing + "/acks", body: settle(held[0])},
		{name: "nack", request: "POST " + billing + "/nacks", body: settle(held[1])},
		{name: "listPending", request: "GET " + billing + "/pending"},
		{name: "listDeadLetters", request: "GET " + billing + "/dead-letters"},
		{name: "redrive", request: "POST " + billing + "/dead-letters/redrive", body: `{"ids":["` + dead + `"]}`},
		{name: "purgeDeadLetters", request: "DELETE " + billing + "/dead-letters"},
		{name: "seek", request: "POST " + billing + "/seek", body: `{"stream":"orders","to":"oldest"}`},
		{name: "deleteSink", request: "DELETE " + billing},
		{name: "deleteEvent", request: "DELETE /v1/streams/orders/events/" + held[0]},
		{name: "prune", request: "POST /v1/streams/orders/prune"},
		{name: "deleteStream", request: "DELETE /v1/streams/orders"},
		{name: "listen", request: "GET /v1/broadcast/ws?channel=room", header: contractUpgrade},
		{name: "listenFeed", request: "GET /v1/broadcast/sse?channel=room"},
		{name: "createTicket", request: "POST /v1/tickets"},
		{name: "readyz", request: "GET /readyz"},
	}
	return contractWanting(cases, status, exceptions)
}

// contractWanting is the cases with one status, but where exceptions name another; 0:
// without them.
func contractWanting(cases []contractCase, status int, exceptions map[string]int) []contractCase {
	var asked []contractCase
	for _, tc := range cases {
		tc.status = status
		if other, is := exceptions[tc.name]; is {
			tc.status = other
		}
		if tc.status != 0 {
			asked = append(asked, tc)
		}
	}
	return asked
}

// awaitHeartbeats waits until the only hub there is has sent two.
func awaitHeartbeats(t *testing.T, redis *goredis.Client) {
	t.Helper()
	first := 0.0
	eventually(t, func() string {
		hubs, err := redis.ZRangeWithScores(t.Context(), "hub:hubs", 0, -1).Result()
		switch {
		case err != nil || len(hubs) == 0:
			return fmt.Sprintf("no hub is listed (%v)", err)
		case first == 0:
			first = hubs[0].Score
		}
		if hubs[0].Score == first {
			return "the hub has sent no other heartbeat"
		}
		return ""
	})
}

func (c *contract) redisGone(t *testing.T) {
	redis := redistest.Start(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	h := startHub(t, "HUB_REDIS_URL="+proxy.URL())
	eventually(t, func() string { return notReady(h) })
	awaitHeartbeats(t, redis.Client(t)) // with its first, a hub forgets what it knows of streams
	h.publish("orders", `{"data":1}`)   // the next is added by XADD
	proxy.DropReplies(1, "XADD")
	c.run(t, h, []contractCase{
		{name: "its answer lost", request: "POST /v1/streams/orders/events", body: `{"data":1}`, code: hub.CodeUnconfirmed},
	})
	redis.Kill()
	c.run(t, h, contractEverything(503, nil, [2]string{"1-0", "1-0"}, "1-0"))
	// The client of Redis keeps dialling for a second after its end, unless what
	// it dials is back.
	redis.Restart()
	eventually(t, func() string {
		for request, want := range map[string]int{"GET /v1/sinks/billing": 404, "DELETE /v1/sinks/billing": 204, "GET /readyz": 200} {
			method, path, _ := strings.Cut(request, " ")
			if answer := h.call(method, path, ""); answer.StatusCode != want {
				return fmt.Sprintf("%s: %d %s", request, answer.StatusCode, answer.body)
			}
		}
		return ""
	})
}

func (c *contract) redisFull(t *testing.T) {
	h := startHub(t, "HUB_REDIS_URL="+redistest.Start(t, "--maxmemory", "1").URL())
	c.run(t, h, contractEverything(0, map[string]int{
		"publish": 507, "publish several": 507, "publishRaw": 507, "publishMany": 507, "putStream": 507, "readStream": 404, "deleteStream": 204,
		"broadcast": 202, "listChannels": 200, "readChannel": 200, "putSink": 507, "readSink": 404, "consume": 507, "deleteSink": 204, "createTicket": 507,
	}, [2]string{"1-0", "1-0"}, "1-0"))
}

// diskFull: Redis takes no more writes once it could not save what it has.
func (c *contract) diskFull(t *testing.T) {
	redis := startRedis(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	h.put("billing", `{"streams":["orders"]}`)
	id := h.publishMany("orders", 3)
	h.pull("billing", "", "")
	h.settle("billing", "nacks", `{"stream":"orders","ids":[%q],"dead_letter":true}`, id[2])

	direct := redis.Client(t)
	dir := direct.ConfigGet(t.Context(), "dir").Val()["dir"]
	if err := os.MkdirAll(filepath.Join(dir, "dump.rdb", "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(direct.ConfigSet(t.Context(), "save", "3600 1").Err(), direct.BgSave(t.Context()).Err()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if info := direct.Info(t.Context(), "persistence").Val(); !strings.Contains(info, "rdb_last_bgsave_status:err") {
			return info
		}
		return ""
	})
	c.run(t, h, contractEverything(507, map[string]int{
		"listStreams": 200, "readStream": 200, "readEvents": 200, "readEvent": 200, "read": 0, "readFeed": 0,
		"broadcast": 202, "listChannels": 200, "readChannel": 200, "listSinks": 200, "readSink": 200, "listPending": 200, "listDeadLetters": 200, "listen": 0, "listenFeed": 0, "readyz": 0,
	}, [2]string(id[:2]), id[2]))
}

// redisRefuses: an administrator may have taken commands away.
func (c *contract) redisRefuses(t *testing.T) {
	var args []string
	for i, name := range []string{"XADD", "PUBLISH", "HGETALL", "SMEMBERS", "HMGET", "XRANGE", "XDEL", "ZRANGE", "PEXPIREAT"} {
		args = append(args, "--rename-command", name, "GONE"+strconv.Itoa(i))
	}
	redis := redistest.Start(t, args...)
	if err := redis.Client(t).Do(t.Context(), "GONE0", "hub:{orders}:log", "1-0", "data", "1").Err(); err != nil {
		t.Fatal(err)
	}
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	c.run(t, h, contractEverything(500, map[string]int{"listen": 0, "listenFeed": 0, "readyz": 0}, [2]string{"1-0", "1-0"}, "1-0"))
}

// redisOccupied: another program uses the same keys.
func (c *contract) redisOccupied(t *testing.T) {
	redis := startRedis(t)
	for _, key := range []string{"hub:{orders}:log", "hub:streams", "hub:sink:billing", "hub:sinks", "hub:hubs"} {
		if err := redis.Client(t).Set(t.Context(), key, "mine", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	c.run(t, h, contractEverything(409, map[string]int{
		"publishMany": 207, "broadcast": 202, "createTicket": 201, "listen": 0, "listenFeed": 0, "readyz": 0,
	}, [2]string{"1-0", "1-0"}, "1-0"))
}
