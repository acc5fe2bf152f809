package hub_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// fault is a fault's place and a part of what is said of it.
type fault struct{ pointer, says string }

// checkFaults makes sure that err lists these faults, in this order, and no
// others.
func checkFaults(t *testing.T, err error, code hub.Code, want []fault) {
	t.Helper()
	var e *hub.Error
	if !errors.As(err, &e) {
		t.Errorf("it is answered %v, want faults %q", err, want)
		return
	}
	if e.Code != code {
		t.Errorf("the code is %s, want %s", e.Code, code)
	}
	ok := len(e.Faults) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = e.Faults[i].Pointer == want[i].pointer && strings.Contains(e.Faults[i].Detail, want[i].says)
	}
	if !ok {
		t.Errorf("the faults are\n%q, want\n%q", e.Faults, want)
	}
	if len(e.Faults) > 0 && !strings.Contains(e.Detail, e.Faults[0].Detail) {
		t.Errorf("the detail %q leaves out the first fault %q", e.Detail, e.Faults[0].Detail)
	}
}

func TestEveryFaultOfAPublishIsListed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 257)
	for name, tc := range map[string]struct {
		body string
		want []fault
	}{
		"no data":       {`{}`, []fault{{"/data", "is missing"}}},
		"both payloads": {`{"data":1,"data_base64":"AA=="}`, []fault{{"/data_base64", "both given"}}},
		"wrong kinds": {
			`{"type":1,"topic":[],"key":{},"content_type":null,"headers":[],"data_base64":true}`,
			[]fault{
				{"/type", "not a string"},
				{"/topic", "not a string"},
				{"/key", "not a string"},
				{"/content_type", "not a string"},
				{"/headers", "not an object"},
				{"/data_base64", "not a string"},
			},
		},
		"bad labels": {
			fmt.Sprintf(`{"type":%q,"topic":"a\nb","key":"\u0085","content_type":"json","data":0}`, long),
			[]fault{
				{"/type", "257 bytes"},
				{"/topic", "U+000A"},
				{"/key", "U+0085"},
				{"/content_type", "media type"},
			},
		},
		"unknown fields": {
			`{"Data":1,"data":1,"id":"1-0","a/b~c":0,"":0}`,
			[]fault{{"/Data", "not a known field"}, {"/id", "not a known field"}, {"/a~1b~0c", "not a known field"}, {"/", "not a known field"}},
		},
		"given twice": {
			`{"type":"a","d\u0061ta":1,"type":"b","data":2}`,
			[]fault{{"/type", "twice"}, {"/data", "twice"}},
		},
		"headers": {
			fmt.Sprintf(`{"data":0,"headers":{"":"x","n\n":"x","v":"\u0000","twice":"1","twice":"2","n/~":7,%q:"x","fine":"é 😀"}}`, long),
			[]fault{
				{"/headers/", "not a header name"},
				{"/headers/n\n", "not a header name"},
				{"/headers/v", "control character"},
				{"/headers/twice", "twice"},
				{"/headers/n~1~0", "not a string"},
				{"/headers/" + long[:64] + "…", "not a header name"},
			},
		},
		"base64": {`{"data_base64":"AA"}`, []fault{{"/data_base64", "RFC 4648"}}},
		"url-safe base64": {
			`{"data_base64":"_-8="}`,
			[]fault{{"/data_base64", "RFC 4648"}},
		},
		"idempotency keys": {
			fmt.Sprintf(`[{"data":1,"idempotency_key":""},{"data":1,"idempotency_key":7},{"data":1,"idempotency_key":%q},{"data":1,"idempotency_key":"a\u0000b"}]`, long),
			[]fault{
				{"/0/idempotency_key", "is empty"},
				{"/1/idempotency_key", "not a string"},
				{"/2/idempotency_key", "257 bytes"},
				{"/3/idempotency_key", "U+0000"},
			},
		},
		"a stream": {`{"stream":"orders","data":1}`, []fault{{"/stream", "headers, idempotency_key)"}}},
		"in a batch": {
			`[{"data":1},"x",{"data":2,"key":1,"no":1},null,{"data":[]},{}]`,
			[]fault{{"/1", "not an object"}, {"/2/key", "not a string"}, {"/2/no", "not a known field"}, {"/3", "not an object"}, {"/5/data", "missing"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			events, _, err := hub.ToStream.Decode([]byte(tc.body), hub.DefaultLimits)
			checkFaults(t, err, hub.CodeInvalidRequest, tc.want)
			if events != nil {
				t.Errorf("there are events all the same: %v", events)
			}
		})
	}
}

func TestBodyThatIsNoEventIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty":              "",
		"white space":        " \n",
		"a string":           `"x"`,
		"null":               "null",
		"no events":          " [ ] ",
		"half an object":     `{"data":`,
		"two objects":        `{"data":1}{"data":2}`,
		"invalid UTF-8":      "{\"data\":\"\xff\"}",
		"UTF-16 surrogates":  "{\"data\":\"\xed\xa0\x80\"}",
		"byte order mark":    "\ufeff{\"data\":1}",
		"comment":            `{"data":1/**/}`,
		"deeper than a JSON": strings.Repeat("[", 100_000),
		"leading zero":       `{"data":01}`,
		"control character":  "{\"data\":\"\n\"}",
	} {
		_, _, err := hub.ToStream.Decode([]byte(body), hub.DefaultLimits)
		if e := hub.AsError(err); err == nil || e.Code != hub.CodeInvalidRequest || len(e.Faults) != 0 {
			t.Errorf("%s is answered %v, want %s", name, err, hub.CodeInvalidRequest)
		}
	}
}

func TestFieldsOfAnEventDependOnTheTarget(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		to   hub.Target
		body string
		want []fault
	}{
		"a key for a broadcast": {
			hub.ToChannel, `[{"data":1,"idempotency_key":"k"},{"data":1,"stream":"s"}]`,
			[]fault{{"/0/idempotency_key", "not for broadcasts"}, {"/1/stream", "content_type, headers)"}},
		},
		"streams": {
			hub.ToMany, `[{"data":1},{"stream":"-","data":1},{"stream":null,"data":1},{"stream":"a","stream":"b","data":1},{"stream":"s","x":1}]`,
			[]fault{
				{"/0/stream", "is missing"},
				{"/1/stream", "not a stream name"},
				{"/2/stream", "not a string"},
				{"/3/stream", "twice"},
				{"/4/x", "(stream, type,"},
				{"/4/data", "is missing"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := tc.to.Decode([]byte(tc.body), hub.DefaultLimits)
			checkFaults(t, err, hub.CodeInvalidRequest, tc.want)
			_, err = tc.to.DecodeLines(lines(t, tc.body), hub.DefaultLimits)
			checkFaults(t, err, hub.CodeInvalidRequest, tc.want)
		})
	}
	if _, _, err := hub.ToMany.Decode([]byte(`{"stream":"a","data":1}`), hub.DefaultLimits); hub.AsError(err).Code != hub.CodeInvalidRequest {
		t.Errorf("one event is answered %v, want an array", err)
	}
	events, batch, err := hub.ToMany.Decode([]byte(`[{"stream":"a","data":1,"idempotency_key":"k"}]`), hub.DefaultLimits)
	if err != nil || !batch || events[0].Stream != "a" || events[0].IdempotencyKey != "k" {
		t.Errorf("it is %+v (%v)", events, err)
	}
}

// lines is an array as NDJSON.
func lines(t *testing.T, array string) []byte {
	t.Helper()
	var elements []json.RawMessage
	if err := json.Unmarshal([]byte(array), &elements); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, element := range elements {
		b.Write(tokens(t, element))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func TestListOfFaultsIsBounded(t *testing.T) {
	t.Parallel()
	body := "[" + strings.Repeat(`{"a":1,"b":2},`, 999) + `{}]`
	_, batch, err := hub.ToStream.Decode([]byte(body), hub.DefaultLimits)
	if n := len(hub.AsError(err).Faults); n != 100 || !batch {
		t.Errorf("%d faults are listed, want the first 100", n)
	}
}

// documentsOfData are values of each kind that JSON has, and what might not survive.
var documentsOfData = []string{
	`1.10`, `-0`, `1e400`, `1E+2`, `12345678901234567890123456789`, `0.1000000000000000055511151231257827`,
	`null`, `true`, `false`, `""`, `"123"`, `{}`, `[]`,
	`{"b":1,"a":2,"B":3}`,
	`{"a":1,"a":2}`,
	`"\u00e9\/\ud83d\ude00 é😀\ud800 <&>"`,
	`"\u0000\n\t\"\\"`,
	`{ "a" : [ 1 , {"b": "]}"} ] }`,
	"\"\u2028\u0085\"",
	strings.Repeat("[", 90) + strings.Repeat("]", 90),
	`"` + strings.Repeat("x", 1<<20-2) + `"`, // exactly at the limit
}

func TestPublishedDataIsKeptByteForByte(t *testing.T) {
	t.Parallel()
	const attributes = `"specversion":"1.0","id":"1","source":"/s","type":"t"`
	header := map[string][]string{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}, "Content-Type": {"application/json"}}
	for name, decode := range map[string]func(data string) (hub.Event, error){
		"object": func(data string) (hub.Event, error) {
			return only(hub.ToStream.Decode([]byte(`{"type":"t","data":`+data+`}`), hub.DefaultLimits))
		},
		"array": func(data string) (hub.Event, error) {
			return only(hub.ToStream.Decode([]byte("[\n{\"data\": "+data+" } ]"), hub.DefaultLimits))
		},
		"of many streams": func(data string) (hub.Event, error) {
			return only(hub.ToMany.Decode([]byte(`[{"stream":"s","data":`+data+`}]`), hub.DefaultLimits))
		},
		"line": func(data string) (hub.Event, error) {
			events, err := hub.ToStream.DecodeLines([]byte("\r\n {\"data\": "+data+" } \r\n"), hub.DefaultLimits)
			return only(events, true, err)
		},
		"structured CloudEvent": func(data string) (hub.Event, error) {
			return hub.DecodeCloudEvent([]byte(`{`+attributes+`,"data": `+data+` }`), hub.DefaultLimits)
		},
		"text in a CloudEvent": func(data string) (hub.Event, error) {
			return hub.DecodeCloudEvent([]byte(`{`+attributes+`,"datacontenttype":"text/plain","data":`+data+`}`), hub.DefaultLimits)
		},
		"batched CloudEvent": func(data string) (hub.Event, error) {
			events, err := hub.DecodeCloudEvents([]byte(`[ {"data":`+data+`,`+attributes+`} ]`), hub.DefaultLimits)
			return only(events, true, err)
		},
		"binary CloudEvent": func(data string) (hub.Event, error) {
			return hub.DecodeBinaryCloudEvent(header, []byte(" "+data+"\n"), hub.DefaultLimits)
		},
		"raw": func(data string) (e hub.Event, err error) {
			err = hub.DecodeRaw(&e, "application/json; charset=utf-8", []byte("\r\n"+data+"\t"), hub.DefaultLimits)
			return e, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, data := range documentsOfData {
				e, err := decode(data)
				if err != nil {
					t.Errorf("%.60s: %v", data, err)
					continue
				}
				if string(e.Data) != data || e.Binary {
					t.Errorf("%.60s became %.60s", data, e.Data)
				}
				if text := e.AppendJSON(nil); !bytes.Contains(text, []byte(`"data":`+data)) {
					t.Errorf("%.60s is delivered as %.200s", data, text)
				}
			}
		})
	}
}

// only is the one event that was read.
func only(events []hub.Event, _ bool, err error) (hub.Event, error) {
	if err == nil && len(events) != 1 {
		err = fmt.Errorf("there are %d events", len(events))
	}
	if err != nil {
		return hub.Event{}, err
	}
	return events[0], nil
}

func TestPrettyPrintedDataFitsOneLine(t *testing.T) {
	t.Parallel()
	body := "[\n  {\n    \"data\": {\n      \"b\": 1.10,\r\n      \"a\": [\"x\\n\", 2]\n    },\n    \"headers\": {\n \"h\": \"v w\" }\n  }\n]\n"
	events, _, err := hub.ToStream.Decode([]byte(body), hub.DefaultLimits)
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if got, want := string(events[0].Data), `{"b":1.10,"a":["x\n",2]}`; got != want {
		t.Errorf("data is %s, want %s", got, want)
	}
	if got, want := string(events[0].Headers), `{"h":"v w"}`; got != want {
		t.Errorf("headers are %s, want %s", got, want)
	}
}

func TestAllFieldsOfAnEventAreRead(t *testing.T) {
	t.Parallel()
	body := `{"headers":{"traceparent":"00-1"},"key":"customer-42","topic":"eu.de","type":"order.\u0063reated","content_type":"a/b","data":7,"idempotency_key":"é 1"}`
	events, _, err := hub.ToStream.Decode([]byte(body), hub.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	e := events[0]
	if e.Type != "order.created" || e.Topic != "eu.de" || e.Key != "customer-42" || e.ContentType != "a/b" ||
		string(e.Headers) != `{"traceparent":"00-1"}` || string(e.Data) != "7" || e.IdempotencyKey != "é 1" || e.ID != "" {
		t.Errorf("the event is %+v", e)
	}
	events, _, err = hub.ToStream.Decode([]byte(`{"data":1,"headers":{},"type":""}`), hub.DefaultLimits)
	if err != nil || events[0].Headers != nil {
		t.Errorf("headers are %q (%v), want none", events[0].Headers, err)
	}
}

var largeLimits = hub.Limits{EventBytes: 8 << 20, BatchEvents: 100_000, BatchBytes: 9 << 20}

func TestBatchKeepsItsOrder(t *testing.T) {
	t.Parallel()
	var body []string
	for i := range 5000 {
		body = append(body, fmt.Sprintf(`{"data":%d}`, i))
	}
	events, batch, err := hub.ToStream.Decode([]byte("["+strings.Join(body, " , ")+"]"), largeLimits)
	if err != nil || !batch || len(events) != 5000 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i := range events {
		if string(events[i].Data) != fmt.Sprint(i) {
			t.Fatalf("event %d has the data %s", i, events[i].Data)
		}
	}
}

func TestShortFirstEventTakesNoMemoryForOthersLikeIt(t *testing.T) {
	t.Parallel()
	body := `[{"data":1},{"data":"` + strings.Repeat("x", 8<<20-2) + `"}]`
	events, _, err := hub.ToStream.Decode([]byte(body), largeLimits)
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if n := cap(events); n > 1000 {
		t.Errorf("2 events take the room of %d", n)
	}
}

func TestBinaryPayload(t *testing.T) {
	t.Parallel()
	payload := []byte{0, 1, 0xfe, 0xff, '\n', '"'}
	text := base64.StdEncoding.EncodeToString(payload)
	for body, contentType := range map[string]string{
		`{"data_base64":"` + text + `"}`:                                "application/octet-stream",
		`{"data_base64":"` + text + `","content_type":"image/png"}`:     "image/png",
		`{"content_type":"image/png","data_base64":"` + text + `"}`:     "image/png",
		`{"data_base64":"` + strings.ReplaceAll(text, "/", `\/`) + `"}`: "application/octet-stream",
	} {
		events, _, err := hub.ToStream.Decode([]byte(body), hub.DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if e := events[0]; !e.Binary || !bytes.Equal(e.Data, payload) || e.ContentType != contentType {
			t.Errorf("%s became %+v", body, e)
		}
	}
	events, _, err := hub.ToStream.Decode([]byte(`{"data_base64":""}`), hub.DefaultLimits)
	if err != nil || !events[0].Binary || len(events[0].Data) != 0 {
		t.Errorf("an empty payload became %+v (%v)", events, err)
	}
}

func TestBinaryPayloadIsKeptByteForByte(t *testing.T) {
	t.Parallel()
	every := make([]byte, 1<<20) // exactly at the limit, with each byte
	for i := range every {
		every[i] = byte(i)
	}
	text := base64.StdEncoding.EncodeToString(every)
	const attributes = `"specversion":"1.0","id":"1","source":"/s","type":"t"`
	header := map[string][]string{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}, "Content-Type": {"image/png"}}
	for name, decode := range map[string]func() (hub.Event, error){
		"object": func() (hub.Event, error) {
			return only(hub.ToStream.Decode([]byte(`{"content_type":"image/png","data_base64":"`+text+`"}`), hub.DefaultLimits))
		},
		"structured CloudEvent": func() (hub.Event, error) {
			return hub.DecodeCloudEvent([]byte(`{`+attributes+`,"datacontenttype":"image/png","data_base64":"`+text+`"}`), hub.DefaultLimits)
		},
		"binary CloudEvent": func() (hub.Event, error) {
			return hub.DecodeBinaryCloudEvent(header, every, hub.DefaultLimits)
		},
		"raw": func() (e hub.Event, err error) {
			err = hub.DecodeRaw(&e, "image/png", every, hub.DefaultLimits)
			return e, err
		},
	} {
		e, err := decode()
		if err != nil || !e.Binary || e.ContentType != "image/png" || !bytes.Equal(e.Data, every) {
			t.Errorf("%s: binary %t of %s with %d bytes (%v)", name, e.Binary, e.ContentType, len(e.Data), err)
		}
	}
}

func TestLimitsHoldExactly(t *testing.T) {
	t.Parallel()
	lim := hub.Limits{EventBytes: 10, BatchEvents: 3, BatchBytes: 200}
	header := func(n int) string { // an object of n bytes
		return `{"h":"` + strings.Repeat("x", n-len(`{"h":""}`)) + `"}`
	}
	wide := hub.Limits{EventBytes: 10, BatchEvents: 3, BatchBytes: 1 << 20}
	for name, tc := range map[string]struct {
		body string
		lim  hub.Limits
		want []fault // nil: it fits
		over bool    // without faults: the request as a whole is too large
	}{
		"data at the limit":     {body: `{"data":"12345678"}`, lim: lim},
		"data over the limit":   {body: `{"data":"123456789"}`, lim: lim, want: []fault{{"/data", "11 bytes long, at most 10"}}},
		"space is not data":     {body: `{"data":  "12345678"  }`, lim: lim},
		"base64 at the limit":   {body: `{"data_base64":"` + base64.StdEncoding.EncodeToString(make([]byte, 10)) + `"}`, lim: lim},
		"base64 over the limit": {body: `{"data_base64":"` + base64.StdEncoding.EncodeToString(make([]byte, 11)) + `"}`, lim: lim, want: []fault{{"/data_base64", "11 bytes"}}},
		"events at the limit":   {body: `[{"data":1},{"data":2},{"data":3}]`, lim: lim},
		"events over the limit": {body: `[{"data":1},{"data":2},{"data":3},{"data":4}]`, lim: lim, over: true},
		"bytes at the limit":    {body: `{"data":1}` + strings.Repeat(" ", 190), lim: lim},
		"bytes over the limit":  {body: `{"data":1}` + strings.Repeat(" ", 191), lim: lim, over: true},
		"headers at the limit":  {body: `{"data":1,"headers":` + header(16<<10) + `}`, lim: wide},
		"headers over":          {body: `{"data":1,"headers":` + header(16<<10+1) + `}`, lim: wide, want: []fault{{"/headers", "16385 bytes"}}},
		"with other faults": {
			body: `[{"data":"123456789","type":1},{}]`, lim: lim,
			want: []fault{{"/0/data", "11 bytes"}, {"/0/type", "not a string"}, {"/1/data", "missing"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := hub.ToStream.Decode([]byte(tc.body), tc.lim)
			if tc.want == nil && !tc.over {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkFaults(t, err, hub.CodePayloadTooLarge, tc.want)
		})
	}
}

func FuzzDecodeEvents(f *testing.F) {
	for _, seed := range []string{
		`{"data":1.10}`, `[{"data":null},{"type":"a","topic":"b","key":"c","content_type":"d/e","headers":{"f":"g"},"data":{"h":[1]}}]`,
		`{"data_base64":"AP8="}`, `{"type":1}`, `[]`, `[{}]`, "{\"data\":\n[\n1]}", `{"data":1,"data":2}`, `{"data":1,"idempotency_key":"k"}`, `{"headers":{"a":"\ud800"},"data":0}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	lim := hub.Limits{EventBytes: 64, BatchEvents: 8, BatchBytes: 1024}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, batch, err := hub.ToStream.Decode(body, lim)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 && e.Code.Status() != 413 || e.Detail == "" || len(events) != 0 {
				t.Fatalf("%q is answered %v with %d events", body, err, len(events))
			}
			return
		}
		if len(events) == 0 || len(events) > lim.BatchEvents || !batch && len(events) != 1 {
			t.Fatalf("%q has %d events", body, len(events))
		}
		// What was accepted is what encoding/json reads.
		type published struct {
			Type, Topic, Key string
			ContentType      string `json:"content_type"`
			Headers          map[string]string
			Data             json.RawMessage
			DataBase64       []byte `json:"data_base64"`
			IdempotencyKey   string `json:"idempotency_key"`
		}
		want := make([]published, 1)
		if batch {
			err = json.Unmarshal(body, &want)
		} else {
			err = json.Unmarshal(body, &want[0])
		}
		if err != nil || len(want) != len(events) {
			t.Fatalf("%q: encoding/json reads %d events (%v)", body, len(want), err)
		}
		for i, e := range events {
			var got wireEvent
			text := e.AppendJSON(nil)
			if err := json.Unmarshal(text, &got); err != nil || bytes.ContainsAny(text, "\r\n") {
				t.Fatalf("%q is delivered as %q (%v)", body, text, err)
			}
			w := want[i]
			if got.Type != w.Type || got.Topic != w.Topic || got.Key != w.Key || e.IdempotencyKey != w.IdempotencyKey || len(got.Headers) != len(w.Headers) {
				t.Fatalf("%q is delivered as %q", body, text)
			}
			if e.Binary && !bytes.Equal(got.DataBase64, w.DataBase64) || !e.Binary && !slices.Equal(tokens(t, got.Data), tokens(t, w.Data)) {
				t.Fatalf("%q is delivered with the data of %q", body, text)
			}
		}
	})
}

// tokens are the value's bytes without white space between them.
func tokens(t *testing.T, value []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		t.Fatalf("%v: %q", err, value)
	}
	return b.Bytes()
}
