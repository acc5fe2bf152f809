package http_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestRawBodyIsThePayload(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	last := e.keep()
	for _, tc := range []struct {
		kind, body  string
		contentType string
		binary      bool
	}{
		{"application/json", " {\"b\": 1.10,\"a\":2} ", "application/json", false},
		{"application/vnd.x+JSON; v=1", "[1]", "application/vnd.x+JSON; v=1", false},
		{"application/cloudevents+json", `{"id":"1"}`, "application/cloudevents+json", false},
		{"application/x-www-form-urlencoded", "a=1&b=2", "application/x-www-form-urlencoded", true},
		{"multipart/form-data; boundary=x", "--x--", "multipart/form-data; boundary=x", true},
		{"image/png", "\x00\xff\n", "image/png", true},
		{"", "{}", "application/octet-stream", true},
		{"", "", "application/octet-stream", true},
	} {
		header := []string{"Content-Type: " + tc.kind, "ce-specversion: 1.0"}
		if tc.kind == "" {
			header = nil
		}
		e.call("POST", "/v1/streams/orders/raw?type=t&topic=eu.de&key=a%26b", tc.body, header...).is(201, `{"id":"1763650000000-0","stream":"orders"}`)
		ev := last.Events[0]
		want := tc.body
		if !tc.binary {
			want = strings.TrimSpace(want)
		}
		if string(ev.Data) != want || ev.Binary != tc.binary || ev.ContentType != tc.contentType || ev.Type != "t" || ev.Topic != "eu.de" || ev.Key != "a&b" {
			t.Errorf("%s: %q became %+v", tc.kind, tc.body, ev)
		}
	}
}

func TestFaultyRawIsRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, tc := range []struct{ query, kind, body, want string }{
		{"?type=" + strings.Repeat("x", 257) + "&topic=%0A&key=a&key=b", "", "x", "?type ?topic ?key"},
		{"?idempotency_key=k", "", "x", "?idempotency_key"},
		{"", "application/json", "", ""},
		{"", "application/json", "{", ""},
		{"", "a+json", "{}{}", "header Content-Type "},
		{"", "png", "x", "header Content-Type"},
		{"", strings.Repeat("x", 300) + "/y", "x", "header Content-Type"},
	} {
		p := e.call("POST", "/v1/streams/orders/raw"+tc.query, tc.body, "Content-Type: "+tc.kind).problem(hub.CodeInvalidRequest)
		if got := pointers(p); got != tc.want || len(p.Errors) == 0 {
			t.Errorf("%s %s: the faults are %v", tc.query, tc.kind, p.Errors)
		}
	}
}

func TestRawIsBoundedAsOneEvent(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.call("POST", "/v1/streams/orders/raw", strings.Repeat("x", smallLimits.EventBytes)).is(201, `{"id":"1763650000000-0","stream":"orders"}`)
	for _, n := range []int{smallLimits.EventBytes + 1, smallLimits.BatchBytes, smallLimits.BatchBytes + 1} {
		for _, declared := range []int64{int64(n), -1} {
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/streams/orders/raw", strings.NewReader(strings.Repeat("x", n)))
			r.ContentLength = declared
			if p := e.send(r).problem(hub.CodePayloadTooLarge); !strings.Contains(p.Detail, "HUB_MAX_EVENT_BYTES") {
				t.Errorf("%d bytes: the detail is %q", n, p.Detail)
			}
		}
	}
	// White space around JSON is no data.
	value := `"` + strings.Repeat("x", smallLimits.EventBytes-2) + `"`
	e.call("POST", "/v1/streams/orders/raw", "\n"+value+"\n", "Content-Type: application/json").is(201, `{"id":"1763650000000-0","stream":"orders"}`)
}
