package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// jsonValues are of every type, and such that a decoder which encodes again would
// change them.
var jsonValues = []string{
	`null`, `true`, `false`, `""`, `"123"`, `"null"`, `0`, `-0`, `1.10`, `1e400`, `-1E+2`, `12345678901234567890123456789`, `0.1000000000000000055511151231257827`,
	`[]`, `{}`, `[[],[[{}]],null]`, `{"b":1,"a":{"d":[1.0,{"c":null}],"":""},"é":"ü"}`, `{"a":1,"A":2,"a ":3}`,
	`"\u0000\u001f\"\\\/\b\f\n\r\t\u00e9é\ud83d\ude00😀\u2028"`, `"<script>&amp;</script>"`, `"\ud800"`, `{"$ref":"#","__proto__":[]}`,
	`"data: x\nid: 7\n\n"`,
	strings.Repeat("[", 50) + strings.Repeat("]", 50),
}

// largest is the largest value that there may be.
var largest = `"` + strings.Repeat(`\n`, 1<<19-1) + `"`

// everyByte has each byte there is, and more than one line of base64.
func everyByte() []byte {
	bytes := []byte{0x00, 0xff, 0x00}
	for i := range 512 {
		bytes = append(bytes, byte(i))
	}
	return bytes
}

func TestDataComesBackIdenticalWhicheverWayItIsRead(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	payloads := []string{base64.StdEncoding.EncodeToString(everyByte()), "", base64.StdEncoding.EncodeToString(make([]byte, 1<<20))}
	values := append(slices.Clone(jsonValues), largest)
	want := slices.Clone(values)
	sink := two.dial("/v1/sinks/billing/ws?stream=orders&prefetch=1000")
	one.put("pulled", `{"streams":["orders"]}`)
	live := two.readings("stream=orders")
	var id []string
	for _, value := range values { // alone or in a batch, no matter
		if len(id)%2 == 0 {
			id = append(id, one.publish("orders", `{"data":`+value+`}`))
			continue
		}
		answer := one.want(http.StatusCreated, "POST", "/v1/streams/orders/events", `[{"data":`+value+`}]`)
		id = append(id, answer["ids"].([]any)[0].(string))
	}
	for _, payload := range payloads {
		want = append(want, "base64 "+payload)
		id = append(id, one.publish("orders", `{"data_base64":"`+payload+`"}`))
	}
	ways := map[string][]event{"sink": sink.events(len(want)), "page": nil, "pull": nil, "one by one": nil}
	for kind, r := range live {
		ways["live, "+kind] = r.events(len(want))
	}
	for kind, r := range two.readings("stream=orders&from=oldest") {
		ways["replayed, "+kind] = r.events(len(want))
	}
	for from := "oldest"; len(ways["page"]) < len(want); {
		p := two.page("orders", "?from="+from)
		ways["page"], from = append(ways["page"], p.Events...), p.Next
	}
	for len(ways["pull"]) < len(want) {
		ways["pull"] = append(ways["pull"], two.pull("pulled", "", `{"max":100,"wait":"5s"}`)...)
	}
	for _, id := range id {
		var e event
		into(t, two.call("GET", "/v1/streams/orders/events/"+id, ""), &e)
		ways["one by one"] = append(ways["one by one"], e)
	}
	for way, events := range ways {
		if !slices.Equal(ids(events), id) {
			t.Errorf("%s: got %d events, want %d in their order", way, len(events), len(id))
			continue
		}
		for i, e := range events {
			if got := payload(e); got != want[i] {
				t.Errorf("%s: %.100s came back as %.100s", way, want[i], got)
			}
		}
	}
}

// payload is what an event carries.
func payload(e event) string {
	if e.DataBase64 != nil {
		return "base64 " + *e.DataBase64
	}
	return string(e.Data)
}

func TestDataOfBroadcastsAndSocketsIsIdenticalToo(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	socket, stream := two.dial("/v1/broadcast/ws?channel=room"), two.sse("/v1/broadcast/sse?channel=room")
	publisher := one.dial("/v1/readers/ws?stream=other")
	reader := two.dial("/v1/readers/ws?stream=orders")
	for _, value := range append(slices.Clone(jsonValues), largest) {
		one.want(http.StatusAccepted, "POST", "/v1/broadcast/room", `{"data":`+value+`}`)
		publisher.ok(`{"type":"publish","stream":"orders","events":[{"data":%s}]}`, value)
		for way, e := range map[string]event{"WebSocket": socket.events(1)[0], "SSE": stream.one(), "published by a socket": reader.events(1)[0]} {
			if got := payload(e); got != value {
				t.Errorf("%s: %.100s came back as %.100s", way, value, got)
			}
		}
	}
}

// The forms that carry no JSON text around the data give it back as it was, too.
func TestDataOfEveryFormIsIdentical(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	for _, value := range jsonValues {
		cloud := `{"specversion":"1.0","id":"1","source":"/","type":"t","data":` + value + `}`
		for form, answer := range map[string]response{
			"raw":        one.call("POST", "/v1/streams/raw/raw", value),
			"NDJSON":     one.call("POST", "/v1/streams/lines/events", `{"data":`+value+`}`, "Content-Type: application/x-ndjson"),
			"many":       one.call("POST", "/v1/events", `[{"stream":"many","data":`+value+`}]`),
			"binary":     one.call("POST", "/v1/streams/binary/events", value, append([]string{"Content-Type: application/json"}, cloudHeaders[:4]...)...),
			"structured": one.call("POST", "/v1/streams/structured/events", cloud, "Content-Type: application/cloudevents+json"),
		} {
			if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusConflict {
				t.Errorf("%s of %.100s: %d %s", form, value, answer.StatusCode, answer.body)
			}
		}
		for _, stream := range []string{"raw", "lines", "many", "binary", "structured"} {
			events := two.everything(stream)
			if got := payload(events[len(events)-1]); got != value {
				t.Errorf("%s: %.100s came back as %.100s", stream, value, got)
			}
			one.want(http.StatusNoContent, "DELETE", "/v1/streams/"+stream, "")
		}
	}
	id := one.call("POST", "/v1/streams/orders/raw", string(everyByte()), "Content-Type: image/png").json(t)["id"]
	var e event
	if into(t, two.call("GET", fmt.Sprint("/v1/streams/orders/events/", id), ""), &e); payload(e) != "base64 "+base64.StdEncoding.EncodeToString(everyByte()) {
		t.Errorf("bytes came back as %s", payload(e))
	}
}

// White space between the parts of a value is no part of it.
func TestDataKeepsItsPartsWhenItIsWrittenOverSeveralLines(t *testing.T) {
	t.Parallel()
	h := startHub(t, "HUB_REDIS_URL="+startRedis(t).URL())
	f := h.sse("/v1/readers/sse?stream=orders")
	h.publish("orders", "{\n \"data\": {\r\n  \"b\" : 1.10,\n\t\"a\": [ 1 ,\n 2 ], \"text\": \"a  b\"\n }\n}")
	e := f.one()
	var compact strings.Builder
	for part := range strings.FieldsSeq(string(e.Data)) {
		compact.WriteString(part)
	}
	if compact.String() != `{"b":1.10,"a":[1,2],"text":"ab"}` || !strings.Contains(string(e.Data), `"a  b"`) || !json.Valid(e.Data) {
		t.Errorf("the data came as %s", e.Data)
	}
}
