package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

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
	pointers string   // of the problem's errors
}

// contractUpgrade is a WebSocket handshake, for those that are refused.
var contractUpgrade = []string{
	"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
}

// contractUnmet are documented answers that no test here can bring about.
var contractUnmet = map[string]string{
	"ack 507": "an ack takes no memory, so that only a full disk can refuse it",
}

// TestEveryAnswerIsAsDocumented brings about every answer of every operation.
// Its subtests share what has been met and run one after the other.
func TestEveryAnswerIsAsDocumented(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	t.Run("publishing", c.publishing)
	t.Run("broadcasting", c.broadcasting)
	t.Run("sinks", c.sinks)
	t.Run("operations", c.operations)
	t.Run("methods that a path does not have", c.methods)
	t.Run("Redis gone", c.redisGone)
	t.Run("Redis out of memory", c.redisFull)
	t.Run("Redis refuses commands", c.redisRefuses)
	for path, item := range c.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				answer := operation.OperationID + " " + status
				if _, excused := contractUnmet[answer]; c.met[answer] == excused {
					t.Errorf("%s %s: has %s been met: %v; excused: %v", method, path, status, c.met[answer], excused)
				}
			}
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
			if got.Code != tc.code || strings.Join(pointers, " ") != tc.pointers {
				t.Errorf("code %s with errors at %q, want %s at %q: %s", got.Code, pointers, tc.code, tc.pointers, answer.body)
			}
		})
	}
}

func contractHub(t *testing.T, settings ...string) *testHub {
	t.Helper()
	return startHub(t, append([]string{"HUB_REDIS_URL=" + redistest.Start(t).URL()}, settings...)...)
}

// contractLimits are small, so that they are cheap to exceed.
var contractLimits = []string{"HUB_MAX_EVENT_BYTES=100", "HUB_MAX_BATCH_BYTES=1000", "HUB_MAX_BATCH_EVENTS=3", "HUB_MAX_STREAMS_PER_SOCKET=2"}

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
		{name: "another content type", request: orders, body: `{"data":1}`, header: []string{"Content-Type: text/plain"}, fit: breaks, code: hub.CodeUnsupportedMedia},
	})
}

func (c *contract) broadcasting(t *testing.T) {
	const room = "POST /v1/broadcast/room-1"
	foreign := append([]string{"Origin: http://elsewhere.example"}, contractUpgrade...)
	h := contractHub(t, contractLimits...)
	c.connect(t, h, "/v1/broadcast/ws?channel=room-1&channel=room-2")
	c.run(t, h, []contractCase{
		{name: "an event", request: room, body: `{"data":"hi"}`, status: 202},
		{name: "several events", request: room, body: `[{"data":1},{"data":2}]`, status: 202},
		{name: "a wrong name", request: "POST /v1/broadcast/a~b", body: `{"data":1}`, fit: breaks, code: hub.CodeInvalidName},
		{name: "no data", request: room, body: `{"id":1}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/id /data"},
		{name: "too much data", request: room, body: `{"data":"` + strings.Repeat("x", 99) + `"}`, fit: beyond, code: hub.CodePayloadTooLarge, pointers: "/data"},
		{name: "another content type", request: room, body: `{"data":1}`, header: []string{"Content-Type: application/xml"}, fit: breaks, code: hub.CodeUnsupportedMedia},
		{name: "listening without a channel", request: "GET /v1/broadcast/ws", fit: breaks, code: hub.CodeInvalidRequest, pointers: "?channel"},
		{name: "listening to a wrong name", request: "GET /v1/broadcast/ws?channel=a~b", fit: breaks, code: hub.CodeInvalidName, pointers: "?channel"},
		{name: "listening without an upgrade", request: "GET /v1/broadcast/ws?channel=a", code: hub.CodeUpgradeRequired},
		{name: "listening from another site", request: "GET /v1/broadcast/ws?channel=a", header: foreign, fit: beyond, code: hub.CodeForbidden},
	})
}

// connect opens a WebSocket and holds the handshake to the document.
func (c *contract) connect(t *testing.T, h *testHub, path string) *websocket.Conn {
	t.Helper()
	conn, answer, err := websocket.Dial(t.Context(), h.base+path, &websocket.DialOptions{Subprotocols: []string{"hub.v1"}})
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

func (c *contract) sinks(t *testing.T) {
	const billing, acks = "GET /v1/sinks/billing", "POST /v1/sinks/billing/acks"
	h := contractHub(t, contractLimits...)
	c.run(t, h, []contractCase{
		{name: "a sink that nobody has used", request: billing, code: hub.CodeSinkNotFound},
		{name: "acks to it", request: acks, body: `{"stream":"orders","ids":["1-0"]}`, code: hub.CodeSinkNotFound},
	})
	id := h.publish("orders", `{"data":1}`)
	conn := c.connect(t, h, "/v1/sinks/billing/ws?stream=orders&stream=refunds&from=oldest&ack_wait=1m30s&prefetch=10&consumer=worker%201")
	for range 2 { // ready, events
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	foreign := append([]string{"Origin: null"}, contractUpgrade...)
	faults := "?stream=a&stream=b&stream=c&from=now&ack_wait=1ms&prefetch=0&consumer=%00&limit=1"
	c.run(t, h, []contractCase{
		{name: "a sink with a consumer", request: billing, status: 200},
		{name: "a sink with a wrong name", request: "GET /v1/sinks/a~b", fit: breaks, code: hub.CodeInvalidName},
		{name: "a sink with a parameter", request: billing + "?verbose=1", fit: beyond, code: hub.CodeInvalidRequest, pointers: "?verbose"},

		{name: "acks", request: acks, body: `{"stream":"orders","ids":["` + id + `","1-0"]}`, status: 200},
		{
			name: "acks as curl -d sends them", request: acks, body: `{"stream":"orders","ids":["` + id + `"]}`,
			header: []string{"Content-Type: application/x-www-form-urlencoded"}, status: 200,
		},
		{name: "acks of another stream", request: acks, body: `{"stream":"visits","ids":["1-0"]}`, code: hub.CodeStreamNotFound},
		{name: "acks of malformed ids", request: acks, body: `{"stream":"orders","ids":["1-0","1",1]}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/ids/1 /ids/2"},
		{name: "acks of nothing", request: acks, body: `{"stream":"a~b","ids":[],"all":true}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/stream /ids /all"},
		{name: "acks without fields", request: acks, body: `{}`, fit: breaks, code: hub.CodeInvalidRequest, pointers: "/stream /ids"},
		{name: "acks to a wrong name", request: "POST /v1/sinks/a~b/acks", body: `{"stream":"orders","ids":["1-0"]}`, fit: breaks, code: hub.CodeInvalidName},
		{name: "acks of too many bytes", request: acks, body: `{"stream":"orders","ids":["1-0"` + strings.Repeat(`,"1-0"`, 200) + `]}`, fit: beyond, code: hub.CodePayloadTooLarge},
		{name: "acks as text", request: acks, body: `{"stream":"orders","ids":["1-0"]}`, header: []string{"Content-Type: text/plain"}, fit: breaks, code: hub.CodeUnsupportedMedia},

		{name: "consuming nothing", request: billing + "/ws", fit: breaks, code: hub.CodeInvalidRequest, pointers: "?stream"},
		{
			name: "every wrong parameter is listed", request: billing + "/ws" + faults, fit: breaks, code: hub.CodeInvalidRequest,
			pointers: "?limit ?stream ?from ?ack_wait ?prefetch ?consumer",
		},
		{name: "consuming a wrong name", request: billing + "/ws?stream=a~b", fit: breaks, code: hub.CodeInvalidName, pointers: "?stream"},
		{name: "consuming with another ack_wait", request: billing + "/ws?stream=orders&ack_wait=1m", code: hub.CodeConflict},
		{name: "consuming without an upgrade", request: billing + "/ws?stream=orders&ack_wait=1m30s&from=after:1-0", code: hub.CodeUpgradeRequired},
		{name: "consuming from another site", request: billing + "/ws?stream=orders&from=at:2025-11-20T14:46:40Z", header: foreign, fit: beyond, code: hub.CodeForbidden},
	})
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
	c.run(t, contractHub(t, "HUB_METRICS_ADDR=127.0.0.1:0"), []contractCase{
		{name: "metrics served elsewhere", request: "GET /metrics", code: hub.CodeNotFound},
	})
}

func (c *contract) methods(t *testing.T) {
	h := contractHub(t)
	for path, item := range c.doc.Paths.Map() {
		answer := h.call(http.MethodDelete, strings.NewReplacer("{", "", "}", "").Replace(path), "")
		if answer.StatusCode != http.StatusMethodNotAllowed {
			t.Fatalf("DELETE %s: %d %s", path, answer.StatusCode, answer.body)
		}
		c.check(t, beyond, answer)
		for method := range item.Operations() {
			if !slices.Contains(answer.Header.Values("Allow"), method) {
				t.Errorf("%s: Allow is %q, want %s in it", path, answer.Header.Values("Allow"), method)
			}
		}
	}
}

// contractEverything asks everything that needs Redis.
func contractEverything(status map[string]int) []contractCase {
	cases := []contractCase{
		{name: "publish", request: "POST /v1/streams/orders/events", body: `{"data":1}`},
		{name: "publish several", request: "POST /v1/streams/orders/events", body: `[{"data":1},{"data":2}]`},
		{name: "broadcast", request: "POST /v1/broadcast/room", body: `{"data":1}`},
		{name: "readSink", request: "GET /v1/sinks/billing"},
		{name: "ack", request: "POST /v1/sinks/billing/acks", body: `{"stream":"orders","ids":["1-0"]}`},
		{name: "consume", request: "GET /v1/sinks/billing/ws?stream=orders", header: contractUpgrade},
		{name: "listen", request: "GET /v1/broadcast/ws?channel=room", header: contractUpgrade},
		{name: "readyz", request: "GET /readyz"},
	}
	var asked []contractCase
	for _, tc := range cases {
		if tc.status = status[tc.name]; tc.status != 0 {
			asked = append(asked, tc)
		}
	}
	return asked
}

func (c *contract) redisGone(t *testing.T) {
	redis := redistest.Start(t)
	h := startHub(t, "HUB_REDIS_URL="+redis.URL())
	h.publish("orders", `{"data":1}`) // so that there are connections to lose
	redis.Kill()
	c.run(t, h, contractEverything(map[string]int{
		"publish": 503, "publish several": 503, "broadcast": 503, "readSink": 503, "ack": 503, "consume": 503, "listen": 503, "readyz": 503,
	}))
	// The client of Redis keeps dialling for a second after its end, unless what
	// it dials is back.
	redis.Restart()
	eventually(t, func() string {
		for _, tc := range contractEverything(map[string]int{"publish": 201, "readSink": 404, "readyz": 200}) {
			method, path, _ := strings.Cut(tc.request, " ")
			if answer := h.call(method, path, tc.body); answer.StatusCode != tc.status {
				return fmt.Sprintf("%s: %d %s", tc.request, answer.StatusCode, answer.body)
			}
		}
		return ""
	})
}

func (c *contract) redisFull(t *testing.T) {
	h := startHub(t, "HUB_REDIS_URL="+redistest.Start(t, "--maxmemory", "1").URL())
	c.run(t, h, contractEverything(map[string]int{"publish": 507, "publish several": 507, "consume": 507, "readSink": 404, "broadcast": 202}))
}

// redisRefuses: an administrator may have taken commands away.
func (c *contract) redisRefuses(t *testing.T) {
	var args []string
	for i, name := range []string{"XADD", "PUBLISH", "HGETALL", "HEXISTS"} {
		args = append(args, "--rename-command", name, "GONE"+strconv.Itoa(i))
	}
	h := startHub(t, "HUB_REDIS_URL="+redistest.Start(t, args...).URL())
	c.run(t, h, contractEverything(map[string]int{"publish": 500, "publish several": 500, "broadcast": 500, "readSink": 500, "ack": 500, "consume": 500}))
}
