package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"eventhub/internal/hub"
)

// headersOf are an event's headers.
func headersOf(t *testing.T, e hub.Event) map[string]string {
	t.Helper()
	headers := map[string]string{}
	if e.Headers == nil {
		return headers
	}
	if err := json.Unmarshal(e.Headers, &headers); err != nil {
		t.Fatalf("%v: %s", err, e.Headers)
	}
	return headers
}

func TestAttributesOfACloudEventAreKept(t *testing.T) {
	t.Parallel()
	e, err := hub.DecodeCloudEvent([]byte(` {"specversion":"1.0","id":"a 1","source":"/shop?x=\"é\"","type":"order.created","subject":"eu.de","time":"2025-11-20T12:00:00.1+01:00",
		"dataschema":"http://x/y","datacontenttype":"application/json; charset=utf-8","partitionkey":"customer-42","traceparent":"00-1","sequence":1.10,"big":12345678901234567890,
		"sampled":true,"other":false,"absent":null,"data":{"b":1.10,"a":2}} `), hub.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if e.Type != "order.created" || e.Topic != "eu.de" || e.Key != "customer-42" || e.ContentType != "application/json; charset=utf-8" || e.Binary ||
		string(e.Data) != `{"b":1.10,"a":2}` || e.IdempotencyKey != "/shop?x=\"é\"\x00a 1" {
		t.Errorf("the event is %+v", e)
	}
	want := map[string]string{
		"ce-specversion": "1.0", "ce-id": "a 1", "ce-source": `/shop?x="é"`, "ce-type": "order.created", "ce-subject": "eu.de", "ce-time": "2025-11-20T12:00:00.1+01:00",
		"ce-dataschema": "http://x/y", "ce-datacontenttype": "application/json; charset=utf-8", "ce-partitionkey": "customer-42", "ce-traceparent": "00-1",
		"ce-sequence": "1.10", "ce-big": "12345678901234567890", "ce-sampled": "true", "ce-other": "false",
	}
	if got := headersOf(t, e); !maps.Equal(got, want) {
		t.Errorf("the headers are %v, want %v", got, want)
	}
}

// A CloudEvent that is sent again is known by its content, of which the headers are
// a part: its source and id are its idempotency key.
func TestCloudEventIsTheSameInAnyOrderAndMode(t *testing.T) {
	t.Parallel()
	const want = `{"ce-a1":"x","ce-datacontenttype":"application/json","ce-id":"1","ce-n":"7","ce-source":"/s","ce-specversion":"1.0","ce-subject":"é","ce-type":"t"}`
	same := func(how string, e hub.Event, err error) {
		t.Helper()
		if err != nil || string(e.Headers) != want || e.Type != "t" || e.Topic != "é" || e.Binary || string(e.Data) != "[1]" || e.IdempotencyKey != "/s\x001" {
			t.Errorf("%s: it is %+v with the headers %s (%v)", how, e, e.Headers, err)
		}
	}
	members := []string{`"specversion":"1.0"`, `"id":"1"`, `"source":"/s"`, `"type":"t"`, `"subject":"é"`, `"n":7`, `"a1":"x"`, `"datacontenttype":"application/json"`, `"data":[1]`}
	for i := range members {
		body := "{" + strings.Join(append(members[i:len(members):len(members)], members[:i]...), ",") + "}"
		e, err := hub.DecodeCloudEvent([]byte(body), hub.DefaultLimits)
		same(body, e, err)
	}
	header := binaryHeader("ce-subject: %C3%A9", "ce-n: 7", "ce-a1: x", "Content-Type: application/json")
	e, err := hub.DecodeBinaryCloudEvent(header, []byte("[1]"), hub.DefaultLimits)
	same("binary mode", e, err)
}

func TestPayloadOfACloudEvent(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]hub.Event{
		``:                                  {Data: []byte("null")},
		`,"data":null`:                      {Data: []byte("null")},
		`,"data":"text"`:                    {Data: []byte(`"text"`)},
		`,"data_base64":null,"data":1`:      {Data: []byte("1")},
		`,"data_base64":null`:               {Data: []byte("null")},
		`,"data_base64":"AP8="`:             {Data: []byte{0, 0xff}, Binary: true, ContentType: "application/octet-stream"},
		`,"data_base64":""`:                 {Data: []byte{}, Binary: true, ContentType: "application/octet-stream"},
		`,"datacontenttype":"text/xml"`:     {Data: []byte("null"), ContentType: "text/xml"},
		`,"datacontenttype":null,"data":[]`: {Data: []byte("[]")},
		`,"data":"<a/>","datacontenttype":"text/xml"`:                {Data: []byte(`"<a/>"`), ContentType: "text/xml"},
		`,"data_base64":"e30=","datacontenttype":"application/json"`: {Data: []byte(`{}`), Binary: true, ContentType: "application/json"},
	} {
		e, err := hub.DecodeCloudEvent([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t"`+members+`}`), hub.DefaultLimits)
		if err != nil || !bytes.Equal(e.Data, want.Data) || e.Binary != want.Binary || e.ContentType != want.ContentType {
			t.Errorf("%s became %+v (%v)", members, e, err)
		}
	}
}

func TestEveryFaultOfACloudEventIsListed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 257)
	const needed = `"specversion":"1.0","id":"1","source":"/s","type":"t"`
	for name, tc := range map[string]struct {
		body string
		want []fault
	}{
		"nothing": {`{}`, []fault{{"/specversion", "is missing"}, {"/id", "is missing"}, {"/source", "is missing"}, {"/type", "is missing"}}},
		"null":    {`{"specversion":"1.0","id":null,"source":"s","type":"t"}`, []fault{{"/id", "is missing"}}},
		"empty": {
			`{"specversion":"","id":"","source":"","type":"","subject":""}`,
			[]fault{{"/specversion", "is empty"}, {"/id", "is empty"}, {"/source", "is empty"}, {"/type", "is empty"}},
		},
		"wrong kinds": {
			`{"specversion":1.0,"id":1,"source":[],"type":{},"subject":true,"time":0,"dataschema":1,"datacontenttype":1,"partitionkey":1,"x":{},"y":[],"data_base64":1}`,
			[]fault{
				{"/specversion", "not a string"},
				{"/id", "not a string"},
				{"/source", "not a string"},
				{"/type", "not a string"},
				{"/subject", "not a string"},
				{"/time", "not a string"},
				{"/dataschema", "not a string"},
				{"/datacontenttype", "not a string"},
				{"/partitionkey", "not a string"},
				{"/x", "neither a string"},
				{"/y", "neither a string"},
				{"/data_base64", "not a string"},
			},
		},
		"bad values": {
			fmt.Sprintf(`{"specversion":"0.3","id":"a\nb","source":"\u0000","type":%q,"subject":%q,"partitionkey":%q,"datacontenttype":"json","data":1}`, long, long, long),
			[]fault{
				{"/specversion", `"0.3" is not a version`},
				{"/id", "control character"},
				{"/source", "control character"},
				{"/type", "257 bytes"},
				{"/subject", "257 bytes"},
				{"/partitionkey", "257 bytes"},
				{"/datacontenttype", "media type"},
			},
		},
		"bad names": {
			`{` + needed + `,"Data":1,"trace_parent":"x","":"x","a/b":"x","é":"x","` + strings.Repeat("n", 65) + `":"x"}`,
			[]fault{
				{"/Data", "not an attribute name"},
				{"/trace_parent", "not an attribute name"},
				{"/", "not an attribute name"},
				{"/a~1b", "not an attribute name"},
				{"/é", "not an attribute name"},
				{"/" + strings.Repeat("n", 64) + "…", "not an attribute name"},
			},
		},
		"twice":         {`{` + needed + `,"id":"2","x":null,"x":"1","data":1,"data":1}`, []fault{{"/id", "twice"}, {"/x", "twice"}, {"/data", "twice"}}},
		"both payloads": {`{` + needed + `,"data":1,"data_base64":"AA=="}`, []fault{{"/data_base64", "both given"}}},
		"base64":        {`{` + needed + `,"data_base64":"AA"}`, []fault{{"/data_base64", "RFC 4648"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hub.DecodeCloudEvent([]byte(tc.body), hub.DefaultLimits)
			checkFaults(t, err, hub.CodeInvalidRequest, tc.want)
			_, err = hub.DecodeCloudEvents([]byte("[{"+needed+"},"+tc.body+"]"), hub.DefaultLimits)
			for i := range tc.want {
				tc.want[i].pointer = "/1" + tc.want[i].pointer
			}
			checkFaults(t, err, hub.CodeInvalidRequest, tc.want)
		})
	}
	_, err := hub.DecodeCloudEvents([]byte(`[1,null,{}]`), hub.DefaultLimits)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"/0", "not an object"},
		{"/1", "not an object"},
		{"/2/specversion", "missing"},
		{"/2/id", "missing"},
		{"/2/source", "missing"},
		{"/2/type", "missing"},
	})
	for _, body := range []string{"", "[]", "1", "{", "\xff", "[{" + needed + "}]"} {
		if _, err := hub.DecodeCloudEvent([]byte(body), hub.DefaultLimits); hub.AsError(err).Code != hub.CodeInvalidRequest {
			t.Errorf("%q is answered %v", body, err)
		}
	}
	for _, body := range []string{"", "[]", "1", "[", "\xff", "{" + needed + "}"} {
		if _, err := hub.DecodeCloudEvents([]byte(body), hub.DefaultLimits); hub.AsError(err).Code != hub.CodeInvalidRequest {
			t.Errorf("%q is answered %v", body, err)
		}
	}
}

func TestCloudEventsHaveTheLimitsOfEvents(t *testing.T) {
	t.Parallel()
	lim := hub.Limits{EventBytes: 10, BatchEvents: 2, BatchBytes: 64 << 10}
	event := func(members string) string {
		return `{"specversion":"1.0","id":"1","source":"/s","type":"t"` + members + `}`
	}
	attributes := len(`{"ce-specversion":"1.0","ce-id":"1","ce-source":"/s","ce-type":"t","ce-x":""}`)
	over := func(body string, want []fault) {
		t.Helper()
		_, err := hub.DecodeCloudEvents([]byte("["+body+"]"), lim)
		checkFaults(t, err, hub.CodePayloadTooLarge, want)
	}
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, members := range []string{`,"data":"12345678"`, `,"data_base64":"AAAAAAAAAAAAAA=="`, `,"x":"` + x(16<<10-attributes) + `"`} {
		if _, err := hub.DecodeCloudEvent([]byte(event(members)), lim); err != nil {
			t.Errorf("%.50s: %v", members, err)
		}
	}
	over(event(`,"data":"123456789"`), []fault{{"/0/data", "11 bytes"}})
	over(event(`,"data_base64":"AAAAAAAAAAAAAAA="`), []fault{{"/0/data_base64", "11 bytes"}})
	over(event(`,"x":"`+x(16<<10-attributes+1)+`"`), []fault{{"/0", "16385 bytes long as headers"}})
	over(event("")+","+event("")+","+event(""), nil)
	over(event(`,"x":"`+x(64<<10)+`"`), nil)
}

func FuzzDecodeCloudEvents(f *testing.F) {
	const needed = `"specversion":"1.0","id":"1","source":"/s","type":"t"`
	for _, seed := range []string{
		`{}`, `{` + needed + `}`, `{` + needed + `,"data":{"a":1.10},"subject":"x","n":1,"b":true,"z":null}`, `{` + needed + `,"data_base64":"AP8="}`,
		`{` + needed + `,"data":"\ud800","datacontenttype":"text/plain","time":"2025-11-20T12:00:00Z"}`, "{" + needed + ",\"data\":[\n1\r]}", `{"id":1}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	lim := hub.Limits{EventBytes: 64, BatchEvents: 8, BatchBytes: 1024}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := hub.DecodeCloudEvent(body, lim)
		if err != nil {
			if err := hub.AsError(err); err.Code.Status() != 400 && err.Code.Status() != 413 || err.Detail == "" {
				t.Fatalf("%q is answered %v", body, err)
			}
			return
		}
		checkCloudEvent(t, e)
		// A batch of one is the same.
		batch, err := hub.DecodeCloudEvents([]byte("["+string(body)+"]"), hub.DefaultLimits)
		if err != nil || len(batch) != 1 || !bytes.Equal(batch[0].AppendJSON(nil), e.AppendJSON(nil)) || batch[0].IdempotencyKey != e.IdempotencyKey {
			t.Fatalf("%q: the batch of it is %+v (%v), want %+v", body, batch, err, e)
		}
		checkOracle(t, body, e)
	})
}

// checkCloudEvent holds an event to what all that were CloudEvents are.
func checkCloudEvent(t *testing.T, e hub.Event) {
	t.Helper()
	headers := headersOf(t, e)
	source, id, _ := strings.Cut(e.IdempotencyKey, "\x00")
	if id == "" || source == "" || headers["ce-id"] != id || headers["ce-source"] != source || headers["ce-specversion"] != "1.0" || headers["ce-type"] != e.Type ||
		headers["ce-subject"] != e.Topic || headers["ce-partitionkey"] != e.Key {
		t.Fatalf("%+v has the headers %v", e, headers)
	}
	text := e.AppendJSON(nil)
	if !json.Valid(text) || !utf8.Valid(text) || bytes.ContainsAny(text, "\r\n") {
		t.Fatalf("it is delivered as %q", text)
	}
	if said, ok := headers["ce-datacontenttype"]; ok && said != e.ContentType {
		t.Fatalf("%+v has the headers %v", e, headers)
	}
}
