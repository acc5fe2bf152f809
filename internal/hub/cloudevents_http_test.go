package hub_test

import (
	"bytes"
	"maps"
	nethttp "net/http"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// binaryHeader are the headers of a CloudEvent, with others.
func binaryHeader(others ...string) map[string][]string {
	header := nethttp.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {"t"}, "Host": {"x"}, "Traceparent": {"00"}}
	for _, line := range others {
		name, value, _ := strings.Cut(line, ": ")
		header.Set(name, value)
	}
	return header
}

func TestBinaryCloudEventIsItsHeadersAndItsBody(t *testing.T) {
	t.Parallel()
	e, err := hub.DecodeBinaryCloudEvent(binaryHeader("ce-subject: eu.de", "ce-partitionkey: k", "ce-sequence: 7", "Content-Type: text/xml; charset=utf-8"),
		[]byte("<a/>\n"), hub.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if e.Type != "t" || e.Topic != "eu.de" || e.Key != "k" || e.ContentType != "text/xml; charset=utf-8" || !e.Binary || string(e.Data) != "<a/>\n" || e.IdempotencyKey != "/s\x001" {
		t.Errorf("the event is %+v", e)
	}
	const want = `{"ce-datacontenttype":"text/xml; charset=utf-8","ce-id":"1","ce-partitionkey":"k","ce-sequence":"7","ce-source":"/s","ce-specversion":"1.0","ce-subject":"eu.de","ce-type":"t"}`
	if string(e.Headers) != want {
		t.Errorf("the headers are %s, want %s", e.Headers, want)
	}
}

// formType is what curl -d says when it is told nothing.
const formType = "application/x-www-form-urlencoded"

func TestPayloadOfABinaryCloudEvent(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind, body, data, contentType string
		binary                        bool
	}{
		{"application/json", " {\"b\":\n1.10} ", `{"b":1.10}`, "application/json", false},
		{"application/vnd.x+json", `"x"`, `"x"`, "application/vnd.x+json", false},
		{"text/plain", `"x"`, `"x"`, "text/plain", true},
		{formType, `{"a":1.10}`, `{"a":1.10}`, "", false},
		{"Application/X-WWW-Form-Urlencoded; charset=utf-8", "1", "1", "", false},
		{formType, "a=b", "a=b", "application/octet-stream", true},
		{formType, "", "null", "", false},
		{"", "{}", "{}", "", false},
		{"", "{", "{", "application/octet-stream", true},
		{"", "\xff\x00", "\xff\x00", "application/octet-stream", true},
		{"", "", "null", "", false},
		{"image/png", "", "null", "image/png", false},
		{"application/json", "", "null", "application/json", false},
	} {
		header := binaryHeader("Content-Type: " + tc.kind)
		e, err := hub.DecodeBinaryCloudEvent(header, []byte(tc.body), hub.DefaultLimits)
		if err != nil || string(e.Data) != tc.data || e.Binary != tc.binary || e.ContentType != tc.contentType {
			t.Errorf("%q of %q became %+v (%v)", tc.body, tc.kind, e, err)
		}
		if _, said := headersOf(t, e)["ce-datacontenttype"]; said != (tc.contentType == tc.kind && tc.kind != "") {
			t.Errorf("%q has the headers %s", tc.kind, e.Headers)
		}
	}
}

// The example of HTTP Protocol Binding for CloudEvents 1.0.2, §3.1.3.2, and what
// the text before it says.
func TestAttributesInHeadersAreUnescapedOnce(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀",
		"%e2%82%ac":                       "€",
		"%41":                             "A",
		"%2541":                           "%41",
		`"a b"`:                           "a b",
		`"a \"b\" \\ %41"`:                `a "b" \ A`,
		`"`:                               `"`,
		`""`:                              ``,
		`a"b"`:                            `a"b"`,
		"100%":                            "100%",
		"%4":                              "%4",
		"%zz%4g":                          "%zz%4g",
		"plain é":                         "plain é",
	} {
		e, err := hub.DecodeBinaryCloudEvent(binaryHeader("ce-subject: "+value), nil, hub.DefaultLimits)
		if err != nil || e.Topic != want || headersOf(t, e)["ce-subject"] != want {
			t.Errorf("%s is %q (%v), want %q", value, e.Topic, err, want)
		}
	}
}

func TestEveryFaultOfABinaryCloudEventIsListed(t *testing.T) {
	t.Parallel()
	header := map[string][]string{
		"Ce-Specversion": {"0.3"}, "Ce-Id": {"1", "2"}, "Ce-Source": {""}, "Ce-Subject": {"%C0%A0"}, "Ce-A": {"%0a"}, "Ce-A-B": {"x"},
		"Ce-Datacontenttype": {"text/plain"}, "Ce-Data": {"x"}, "Ce-": {"x"}, "Content-Type": {"+json"}, "Ce-Partitionkey": {strings.Repeat("k", 257)},
	}
	_, err := hub.DecodeBinaryCloudEvent(header, []byte("{"), hub.DefaultLimits)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"header ce-", "not an attribute name"},
		{"header ce-a", "control character"},
		{"header ce-a-b", "not an attribute name"},
		{"header ce-data", "not an attribute name"},
		{"header Content-Type", "not a media type"},
		{"header ce-datacontenttype", "not an attribute in binary mode"},
		{"header ce-id", "given 2 times"},
		{"header ce-partitionkey", "257 bytes"},
		{"header ce-source", "is empty"},
		{"header ce-specversion", `"0.3" is not a version`},
		{"header ce-subject", "not valid UTF-8"},
		{"", "the body is not valid JSON"},
		{"header ce-type", "is missing"},
	})
	lim := hub.Limits{EventBytes: 10, BatchEvents: 1, BatchBytes: 64 << 10}
	_, err = hub.DecodeBinaryCloudEvent(binaryHeader("Content-Type: text/plain"), make([]byte, 11), lim)
	checkFaults(t, err, hub.CodePayloadTooLarge, []fault{{"", "larger than 10 bytes"}})
	_, err = hub.DecodeBinaryCloudEvent(binaryHeader("ce-x: "+strings.Repeat("x", 16<<10)), nil, lim)
	checkFaults(t, err, hub.CodePayloadTooLarge, []fault{{"", "long as headers, at most 16384"}})
}

func FuzzDecodeBinaryCloudEvent(f *testing.F) {
	f.Add("1", "/s", "t", "subject", "eu%2ede", "application/json", []byte(`{"a":1.10}`))
	f.Add(`"a \" b"`, "%E2%82%AC", "t", "x-y", "", "", []byte("\x00\xff"))
	f.Add("", "", "", "", "100%", "+json", []byte(nil))
	lim := hub.Limits{EventBytes: 64, BatchEvents: 1, BatchBytes: 1024}
	f.Fuzz(func(t *testing.T, id, source, kind, name, value, contentType string, body []byte) {
		header := map[string][]string{"Ce-Specversion": {"1.0"}, "Ce-Id": {id}, "Ce-Source": {source}, "Ce-Type": {kind}, "Ce-X" + name: {value}, "Content-Type": {contentType}}
		e, err := hub.DecodeBinaryCloudEvent(header, body, lim)
		if err != nil {
			if err := hub.AsError(err); err.Code.Status() != 400 && err.Code.Status() != 413 || err.Detail == "" || len(err.Faults) == 0 {
				t.Fatalf("%q is answered %v", header, err)
			}
			return
		}
		checkCloudEvent(t, e)
		if e.Binary && !bytes.Equal(e.Data, body) || !e.Binary && len(body) > 0 && !slices.Equal(tokens(t, e.Data), tokens(t, body)) {
			t.Fatalf("%q of %q became %q", body, contentType, e.Data)
		}
		// What the hub has read, written as the binding wants it, is read as the same.
		headers := headersOf(t, e)
		again := map[string][]string{}
		for name, text := range headers {
			if name == "ce-datacontenttype" {
				again["Content-Type"] = []string{text}
			} else {
				again[name] = []string{percentEncoded(text)}
			}
		}
		same, err := hub.DecodeBinaryCloudEvent(again, body, lim)
		if err != nil || !maps.Equal(headersOf(t, same), headers) || !bytes.Equal(same.AppendJSON(nil), e.AppendJSON(nil)) {
			t.Fatalf("%q is read as %+v, and that as %+v (%v)", header, e, same, err)
		}
	})
}

// percentEncoded is HTTP Protocol Binding for CloudEvents 1.0.2, §3.1.3.2.
func percentEncoded(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c > 0x20 && c < 0x7f && c != '"' && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
