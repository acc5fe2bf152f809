package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// shown is what an event says beyond its place and time.
func shown(e event) string {
	data := string(e.Data)
	if e.DataBase64 != nil {
		bytes, err := base64.StdEncoding.DecodeString(*e.DataBase64)
		data = fmt.Sprintf("%q %v", bytes, err)
	}
	return fmt.Sprintf("%s|%s|%s|%s|%s|%v", e.Type, e.Topic, e.Key, e.ContentType, data, e.Headers)
}

// cloudHeaders are the attributes of a CloudEvent in binary mode.
var cloudHeaders = []string{
	"ce-specversion: 1.0", "ce-id: a-1", "ce-source: /shop", "ce-type: order.created", "ce-subject: eu.de", "ce-partitionkey: customer-42",
	"ce-time: 2025-11-20T14:46:40Z", "ce-comexampleextension: caf%C3%A9 %25",
}

func TestEveryFormOfPublishingIsStoredAsItWasSent(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const cloud = `{"specversion":"1.0","id":"a-1","source":"/shop","type":"order.created","subject":"eu.de","partitionkey":"customer-42",` +
		`"time":"2025-11-20T14:46:40Z","comexampleextension":"café %","sampled":true,"retries":7,"nothing":null`
	const cloudMap = "map[ce-comexampleextension:café % ce-id:a-1 ce-partitionkey:customer-42 ce-source:/shop ce-specversion:1.0" +
		" ce-subject:eu.de ce-time:2025-11-20T14:46:40Z ce-type:order.created]"
	structuredMap := func(kind string) string {
		more := "ce-comexampleextension:café %"
		if kind != "" {
			more += " ce-datacontenttype:" + kind
		}
		return "map[" + more + " ce-id:a-1 ce-partitionkey:customer-42 ce-retries:7 ce-sampled:true ce-source:/shop ce-specversion:1.0" +
			" ce-subject:eu.de ce-time:2025-11-20T14:46:40Z ce-type:order.created]"
	}
	const object = `{"type":"t","topic":"eu.de","key":"k","headers":{"traceparent":"00-1"},"data":{"b":1.10,"a":[]}}`
	const stored = `t|eu.de|k|application/json|{"b":1.10,"a":[]}|map[traceparent:00-1]`
	const binary = `{"data_base64":"AP8=","content_type":"image/png"}`
	const image = `||||"\x00\xff" <nil>|map[]`
	for i, c := range []struct {
		name, path, body string
		header           []string
		want             []string
		batch            bool
	}{
		{"object", "events", object, nil, []string{stored}, false},
		{"object with a charset", "events", object, []string{"Content-Type: application/json; charset=utf-8"}, []string{stored}, false},
		{"curl -d", "events", object, []string{"Content-Type: application/x-www-form-urlencoded"}, []string{stored}, false},
		{"object of no type", "events", object, []string{"Content-Type: "}, []string{stored}, false},
		{"array", "events", "[" + object + ",\n" + binary + "]", nil, []string{stored, strings.Replace(image, "||||", "|||image/png|", 1)}, true},
		{"array of one", "events", "[" + object + "]", nil, []string{stored}, true},
		{
			"NDJSON", "events", object + "\r\n\n" + binary + "\n  \n" + `{"data":null}`,
			[]string{"Content-Type: application/x-ndjson"},
			[]string{stored, strings.Replace(image, "||||", "|||image/png|", 1), "|||application/json|null|map[]"},
			true,
		},
		{"NDJSON of one", "events", object, []string{"Content-Type: application/x-ndjson"}, []string{stored}, true},

		{"raw JSON", "raw?type=t&topic=eu.de&key=k", ` {"b":1.10} `, nil, []string{`t|eu.de|k|application/json|{"b":1.10}|map[]`}, false},
		{"raw +json", "raw", `[1]`, []string{"Content-Type: application/vnd.api+json"}, []string{`|||application/vnd.api+json|[1]|map[]`}, false},
		{"raw text", "raw?type=t", "a\nb", []string{"Content-Type: text/plain; charset=utf-8"}, []string{`t|||text/plain; charset=utf-8|"a\nb" <nil>|map[]`}, false},
		{"raw XML", "raw", "<a/>", []string{"Content-Type: application/xml"}, []string{`|||application/xml|"<a/>" <nil>|map[]`}, false},
		{
			"raw form", "raw", "a=1&b=2",
			[]string{"Content-Type: application/x-www-form-urlencoded"},
			[]string{`|||application/x-www-form-urlencoded|"a=1&b=2" <nil>|map[]`},
			false,
		},
		{"raw of no type", "raw", "\x00\xff{", []string{"Content-Type: "}, []string{`|||application/octet-stream|"\x00\xff{" <nil>|map[]`}, false},
		{"raw and empty", "raw", "", []string{"Content-Type: text/plain"}, []string{`|||text/plain|"" <nil>|map[]`}, false},

		{
			"binary CloudEvent", "events", `{"b":1.10}`, cloudHeaders,
			[]string{`order.created|eu.de|customer-42|application/json|{"b":1.10}|` + strings.Replace(cloudMap, "ce-id", "ce-datacontenttype:application/json ce-id", 1)},
			false,
		},
		{
			"binary CloudEvent of text", "events", `hi`, append([]string{"Content-Type: text/plain"}, cloudHeaders...),
			[]string{`order.created|eu.de|customer-42|text/plain|"hi" <nil>|` + strings.Replace(cloudMap, "ce-id", "ce-datacontenttype:text/plain ce-id", 1)},
			false,
		},
		{"binary CloudEvent without data", "events", ``, cloudHeaders, []string{`order.created|eu.de|customer-42|application/json|null|` + cloudMap}, false},
		{
			"structured CloudEvent", "events", cloud + `,"data":{"b":1.10,"a":[]}}`,
			[]string{"Content-Type: application/cloudevents+json"},
			[]string{`order.created|eu.de|customer-42|application/json|{"b":1.10,"a":[]}|` + structuredMap("")},
			false,
		},
		{
			"structured CloudEvent of XML", "events", cloud + `,"datacontenttype":"text/xml","data":"<a/>"}`,
			[]string{"Content-Type: application/cloudevents+json; charset=utf-8"},
			[]string{`order.created|eu.de|customer-42|text/xml|"<a/>"|` + structuredMap("text/xml")},
			false,
		},
		{
			"batched CloudEvents", "events", "[" + cloud + `,"data":1},` + strings.Replace(cloud, "a-1", "a-2", 1) + `,"data_base64":"AP8=","datacontenttype":"image/png"}]`,
			[]string{"Content-Type: application/cloudevents-batch+json"},
			[]string{
				`order.created|eu.de|customer-42|application/json|1|` + structuredMap(""),
				`order.created|eu.de|customer-42|image/png|"\x00\xff" <nil>|` + strings.Replace(structuredMap("image/png"), "a-1", "a-2", 1),
			},
			true,
		},
	} {
		stream := fmt.Sprint("orders-", i)
		answer := one.call("POST", "/v1/streams/"+stream+"/"+c.path, c.body, c.header...)
		if answer.StatusCode != http.StatusCreated {
			t.Errorf("%s: %d %s", c.name, answer.StatusCode, answer.body)
			continue
		}
		told := answer.json(t)
		var id []string
		if c.batch {
			for _, one := range told["ids"].([]any) {
				id = append(id, one.(string))
			}
		} else {
			id = append(id, told["id"].(string))
		}
		if told["stream"] != stream || told["durability"] != "fast" || len(told) != 3 {
			t.Errorf("%s was answered %s", c.name, answer.body)
		}
		events := two.page(stream, "").Events
		assertRead(t, events, id)
		for i, e := range events {
			if got := shown(e); got != c.want[i] || e.Stream != stream {
				t.Errorf("%s came back from %s as\n%s, want\n%s", c.name, e.Stream, got, c.want[i])
			}
		}
	}
}

func TestEveryFaultOfAPublishIsListedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	redis, one, two := twoHubs(t)
	for _, c := range []struct {
		path, body string
		header     []string
		want       string
	}{
		{
			"events", `[{"data":1},{"type":7},{"data":1,"data_base64":"AA==","colour":1},{"data":1,"idempotency_key":""}]`, nil,
			"400 invalid_request /1/data /1/type /2/colour /2/data_base64 /3/idempotency_key",
		},
		{"events", `[{"data":1},5]`, nil, "400 invalid_request /1"},
		{"events", "{\"data\":1}\n\n{\"data\":}\n{\"key\":\"\\u0000\",\"data\":1}\nx", []string{"Content-Type: application/x-ndjson"}, "400 invalid_request /1 /2/key /3"},
		{"events?if_exists=perhaps&colour=red", `{"data":1}`, nil, "400 invalid_request ?colour ?if_exists"},
		{"events", `{"data":1}`, []string{"Idempotency-Key: " + strings.Repeat("x", 257)}, "400 invalid_request header Idempotency-Key"},
		{"events", `{"data":1}`, []string{"Idempotency-Key: "}, "400 invalid_request header Idempotency-Key"},
		{"events", `{"data":1}`, []string{"Content-Type: text/plain"}, "415 unsupported_media_type"},
		{"events", ``, nil, "400 invalid_request"},
		{"events", "\n \n", []string{"Content-Type: application/x-ndjson"}, "400 invalid_request"},
		{"raw?type=%00&topic=" + strings.Repeat("x", 257) + "&color=1", `1`, nil, "400 invalid_request ?color ?topic ?type"},
		{"raw", `{`, nil, "400 invalid_request "}, // the place is the body
		{"events", `1`, []string{"ce-specversion: 0.3", "ce-id: 1", "ce-type: "}, "400 invalid_request header ce-source header ce-specversion header ce-type"},
		{
			"events", `{"specversion":"1.0","id":"1","type":"t","source":"","data":1,"data_base64":"AA=="}`,
			[]string{"Content-Type: application/cloudevents+json"},
			"400 invalid_request /data_base64 /source",
		},
		{
			"events", `[{"specversion":"1.0","id":"1","type":"t","source":"/"},{"specversion":"1.0","id":2,"type":"t","source":"/","a-b":1,"data_base64":"*"}]`,
			[]string{"Content-Type: application/cloudevents-batch+json"},
			"400 invalid_request /1/a-b /1/data_base64 /1/id",
		},
	} {
		answer := one.call("POST", "/v1/streams/orders/"+c.path, c.body, c.header...)
		if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != c.want {
			t.Errorf("%s %.200s was refused as\n%s, want\n%s: %s", c.path, c.body, got, c.want, answer.body)
		}
	}
	for body, want := range map[string]string{
		`[{"stream":"orders","data":1},{"data":1},{"stream":"-","data":1},{"stream":"orders","type":1}]`: "400 invalid_request /1/stream /2/stream /3/data /3/type",
		`{"stream":"orders","data":1}`: "400 invalid_request",
		`[]`:                           "400 invalid_request",
	} {
		answer := one.call("POST", "/v1/events", body)
		if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != want {
			t.Errorf("POST /v1/events %s was refused as %s, want %s: %s", body, got, want, answer.body)
		}
	}
	two.want(http.StatusNotFound, "GET", "/v1/streams/orders", "")
	if n := redis.Client(t).Exists(t.Context(), "hub:{orders}:log", "hub:{orders}:cfg").Val(); n != 0 {
		t.Errorf("%d keys of the stream are there", n)
	}
}

func TestIfExistsMakesNoStream(t *testing.T) {
	t.Parallel()
	redis, one, two := twoHubs(t)
	for _, path := range []string{"events", "raw"} {
		path = "/v1/streams/orders/" + path + "?if_exists=true"
		if problem := one.want(http.StatusNotFound, "POST", path, `{"data":1}`); problem["code"] != "stream_not_found" {
			t.Errorf("%s: %v", path, problem)
		}
	}
	results := one.want(http.StatusMultiStatus, "POST", "/v1/events?if_exists=true", `[{"stream":"orders","data":1}]`)["results"].([]any)
	if r := results[0].(map[string]any); len(results) != 1 || r["stream"] != "orders" || r["code"] != "stream_not_found" || r["detail"] == "" || r["id"] != nil {
		t.Errorf("results: %v", results)
	}
	if n := redis.Client(t).Exists(t.Context(), "hub:{orders}:log", "hub:{orders}:cfg").Val(); n != 0 {
		t.Errorf("%d keys of the stream are there", n)
	}
	one.want(http.StatusCreated, "POST", "/v1/streams/orders/events?if_exists=false", `{"data":1}`)
	two.want(http.StatusCreated, "POST", "/v1/streams/orders/events?if_exists=true", `{"data":2}`)
	two.want(http.StatusCreated, "POST", "/v1/streams/orders/raw?if_exists=true", `3`)
	one.want(http.StatusNoContent, "DELETE", "/v1/streams/orders", "")
	two.want(http.StatusNotFound, "POST", "/v1/streams/orders/events?if_exists=true", `{"data":4}`)
	two.want(http.StatusNotFound, "GET", "/v1/streams/orders", "")
}

// result is what became of one event of POST /v1/events.
type result struct {
	Stream, ID, Code, Detail string
	Replayed                 bool
}

func TestOneRequestOverSeveralStreams(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	publish := func(body string, header ...string) (status int, results []result) {
		t.Helper()
		answer := one.call("POST", "/v1/events", body, header...)
		var told struct{ Results []result }
		into(t, answer, &told)
		return answer.StatusCode, told.Results
	}
	status, results := publish(`[{"stream":"orders","data":0},{"stream":"payments","data":1},{"stream":"orders","data":2},{"stream":"refunds","data_base64":"AP8="}]`)
	var streams []string
	stored := map[string][]string{}
	for _, r := range results {
		streams = append(streams, r.Stream)
		stored[r.Stream] = append(stored[r.Stream], r.ID)
	}
	if status != http.StatusCreated || fmt.Sprint(streams) != "[orders payments orders refunds]" {
		t.Errorf("%d %+v", status, results)
	}
	for stream, id := range stored {
		assertRead(t, two.page(stream, "").Events, id)
	}
	if e := two.page("orders", "").Events; string(e[0].Data) != "0" || string(e[1].Data) != "2" {
		t.Errorf("orders: %+v", e)
	}

	// What one stream refuses, the others still take: all or nothing of each.
	one.want(http.StatusCreated, "PUT", "/v1/streams/full", `{"max_events":1,"on_full":"reject"}`)
	one.put("billing", `{"streams":["full"]}`) // which is never done with anything
	status, results = publish("{\"stream\":\"full\",\"data\":1}\n{\"stream\":\"orders\",\"data\":3}\n{\"stream\":\"full\",\"data\":2}\n", "Content-Type: application/x-ndjson")
	if status != http.StatusMultiStatus || len(results) != 3 || results[0].Code != "stream_full" || results[2].Code != "stream_full" ||
		results[0].Detail == "" || results[0].ID != "" || results[1].Stream != "orders" || results[1].ID == "" || results[1].Code != "" {
		t.Errorf("%d %+v", status, results)
	}
	if got := two.page("full", "").Events; len(got) != 0 {
		t.Errorf("the full stream has %+v", got)
	}
	if got := two.page("orders", "").Events; len(got) != 3 || got[2].ID != results[1].ID {
		t.Errorf("orders: %+v", got)
	}

	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf(`{"stream":"many-%d","data":1}`, i))
	}
	if status, results := publish("[" + strings.Join(many[:100], ",") + "]"); status != http.StatusCreated || len(results) != 100 {
		t.Errorf("100 streams: %d %+v", status, results)
	}
	if status, _ := publish("[" + strings.Join(many, ",") + "]"); status != http.StatusBadRequest {
		t.Errorf("101 streams: %d", status)
	}
	two.want(http.StatusNotFound, "GET", "/v1/streams/many-100", "")
}

func TestPublishingIsBoundedInEveryForm(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	const limit = 1 << 20
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	lines := func(n int) string { return strings.Repeat("{\"data\":1}\n", n) }
	cloud := func(data string) string { return `{"specversion":"1.0","id":"1","source":"/","type":"t",` + data + `}` }
	bytes := func(n int) string {
		return `"data_base64":"` + base64.StdEncoding.EncodeToString(make([]byte, n)) + `"`
	}
	many := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"stream":"many","data":1},`, n), ",") + "]"
	}
	for name, c := range map[string]struct {
		path, kind string
		fits, over string
	}{
		"data":                   {"streams/orders/events", "application/json", `{"data":` + text(limit) + `}`, `{"data":` + text(limit+1) + `}`},
		"data_base64":            {"streams/orders/events", "application/json", `{` + bytes(limit) + `}`, `{` + bytes(limit+1) + `}`},
		"raw text":               {"streams/orders/raw", "text/plain", text(limit), text(limit + 1)},
		"raw JSON":               {"streams/orders/raw", "application/json", text(limit), text(limit + 1)},
		"NDJSON":                 {"streams/orders/events", "application/x-ndjson", lines(1000), lines(1001)},
		"structured CloudEvent":  {"streams/orders/events", "application/cloudevents+json", cloud(`"data":` + text(limit)), cloud(`"data":` + text(limit+1))},
		"several streams":        {"events", "application/json", many(1000), many(1001)},
		"data of several":        {"events", "application/json", `[{"stream":"orders","data":` + text(limit) + `}]`, `[{"stream":"orders","data":` + text(limit+1) + `}]`},
		"broadcast":              {"broadcast/room", "application/json", `{"data":` + text(limit) + `}`, `{"data":` + text(limit+1) + `}`},
		"NDJSON of a broadcast":  {"broadcast/room", "application/x-ndjson", lines(1000), lines(1001)},
		"lines of several":       {"events", "application/x-ndjson", strings.Repeat("{\"stream\":\"many\",\"data\":1}\n", 1000), strings.Repeat("{\"stream\":\"many\",\"data\":1}\n", 1001)},
		"length of a key":        {"streams/orders/events", "application/json", `{"data":1,"idempotency_key":` + text(258) + `}`, ""},
		"length of all the body": {"streams/orders/events", "application/json", `{"data":1}` + strings.Repeat(" ", 8<<20-10), `{"data":1}` + strings.Repeat(" ", 8<<20-9)},
	} {
		answer := one.call("POST", "/v1/"+c.path, c.fits, "Content-Type: "+c.kind)
		if answer.StatusCode != http.StatusCreated && answer.StatusCode != http.StatusAccepted {
			t.Errorf("%s that fits: %d %.300s", name, answer.StatusCode, answer.body)
		}
		if c.over == "" {
			continue
		}
		before := two.stored("orders") + two.stored("many")
		answer = one.call("POST", "/v1/"+c.path, c.over, "Content-Type: "+c.kind)
		if answer.StatusCode != http.StatusRequestEntityTooLarge || answer.json(t)["code"] != "payload_too_large" {
			t.Errorf("%s that is too large: %d %.300s", name, answer.StatusCode, answer.body)
		}
		if after := two.stored("orders") + two.stored("many"); after != before {
			t.Errorf("%s that is too large: %d events were stored", name, after-before)
		}
	}
}

func TestBroadcastTakesEveryFormAndNoKey(t *testing.T) {
	t.Parallel()
	_, one, two := twoHubs(t)
	live := two.dial("/v1/broadcast/ws?channel=room")
	for _, c := range []struct {
		body   string
		header []string
		want   []string
	}{
		{`{"type":"t","data":1.10}`, nil, []string{"t|||application/json|1.10|map[]"}},
		{`{"data":1}`, []string{"Content-Type: application/x-www-form-urlencoded"}, []string{"|||application/json|1|map[]"}},
		{`[{"data":1},{"data":2}]`, nil, []string{"|||application/json|1|map[]", "|||application/json|2|map[]"}},
		{"{\"data\":1}\n{\"data\":2}", []string{"Content-Type: application/x-ndjson"}, []string{"|||application/json|1|map[]", "|||application/json|2|map[]"}},
		{
			`1`,
			[]string{"ce-specversion: 1.0", "ce-id: 1", "ce-source: /", "ce-type: t"},
			[]string{"t|||application/json|1|map[ce-datacontenttype:application/json ce-id:1 ce-source:/ ce-specversion:1.0 ce-type:t]"},
		},
	} {
		answer := one.call("POST", "/v1/broadcast/room", c.body, c.header...)
		if answer.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %d %s", c.body, answer.StatusCode, answer.body)
			continue
		}
		for i, e := range live.events(len(c.want)) {
			if got := shown(e); got != c.want[i] || e.Channel != "room" || e.Stream != "" {
				t.Errorf("%s came as %s, want %s", c.body, got, c.want[i])
			}
		}
	}
	answer := one.call("POST", "/v1/broadcast/room", `{"data":1}`, "Idempotency-Key: a")
	if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != "400 invalid_request header Idempotency-Key" {
		t.Errorf("a broadcast with a key was answered %s", got)
	}
	answer = one.call("POST", "/v1/broadcast/room", `{"data":1,"idempotency_key":"a"}`)
	if got := fmt.Sprint(answer.StatusCode, " ", faults(answer.json(t))); got != "400 invalid_request /idempotency_key" {
		t.Errorf("a broadcast with a key was answered %s", got)
	}
}
