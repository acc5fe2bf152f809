package hub_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"eventhub/internal/hub"
)

func TestContentTypeSaysWhetherAPayloadIsJSON(t *testing.T) {
	t.Parallel()
	for contentType, binary := range map[string]bool{
		"application/json":                  false,
		"Application/JSON ; charset=utf-8":  false,
		"application/vnd.github+json;v=3":   false,
		"application/cloudevents+json":      false,
		"application/json5":                 true,
		"application/x-ndjson":              true,
		"text/json":                         true,
		"text/plain; x=application/json":    true,
		"application/x-www-form-urlencoded": true,
		"":                                  true,
	} {
		var e hub.Event
		err := hub.DecodeRaw(&e, contentType, []byte(" [1]\n"), hub.DefaultLimits)
		want, kind := "[1]", contentType
		if binary {
			want = " [1]\n"
		}
		if contentType == "" {
			kind = "application/octet-stream"
		}
		if err != nil || e.Binary != binary || string(e.Data) != want || e.ContentType != kind {
			t.Errorf("%s: the event is %+v (%v)", contentType, e, err)
		}
	}
}

func TestFaultsOfAPayloadAreListed(t *testing.T) {
	t.Parallel()
	lim := hub.Limits{EventBytes: 10, BatchEvents: 1, BatchBytes: 100}
	for _, tc := range []struct {
		contentType, body string
		code              hub.Code
		want              []fault
	}{
		{"application/json", "", hub.CodeInvalidRequest, []fault{{"", "the body is not valid JSON"}}},
		{"application/json", "\"\xff\"", hub.CodeInvalidRequest, []fault{{"", "the body is not valid UTF-8"}}},
		{"a+json", "{", hub.CodeInvalidRequest, []fault{{"header Content-Type", "media type"}, {"", "the body is not valid JSON"}}},
		{"a/\x00", "x", hub.CodeInvalidRequest, []fault{{"header Content-Type", "U+0000"}}},
		{"text/plain", strings.Repeat("x", 11), hub.CodePayloadTooLarge, []fault{{"", "larger than 10 bytes (HUB_MAX_EVENT_BYTES)"}}},
		{"application/json", " " + strings.Repeat("1", 11), hub.CodePayloadTooLarge, []fault{{"", "larger than 10 bytes"}}},
	} {
		var e hub.Event
		checkFaults(t, hub.DecodeRaw(&e, tc.contentType, []byte(tc.body), lim), tc.code, tc.want)
	}
	var e hub.Event
	if err := hub.DecodeRaw(&e, "application/json", []byte(" 1234567890 "), lim); err != nil {
		t.Error(err)
	}
}

func FuzzDecodeRaw(f *testing.F) {
	f.Add("application/json", []byte("{\n\"a\":1.10}\n"))
	f.Add("image/png", []byte("\x00\xff"))
	f.Add("x+json", []byte("{"))
	f.Add("", []byte(nil))
	lim := hub.Limits{EventBytes: 64, BatchEvents: 1, BatchBytes: 1024}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		var e hub.Event
		if err := hub.DecodeRaw(&e, contentType, body, lim); err != nil {
			if err := hub.AsError(err); err.Code.Status() != 400 && err.Code.Status() != 413 || err.Detail == "" || len(err.Faults) == 0 {
				t.Fatalf("%q is answered %v", body, err)
			}
			return
		}
		if e.Binary && !bytes.Equal(e.Data, body) || !e.Binary && !bytes.Equal(tokens(t, e.Data), tokens(t, body)) {
			t.Fatalf("%q of %q became %q", body, contentType, e.Data)
		}
		if text := e.AppendJSON(nil); !json.Valid(text) || !utf8.Valid(text) || bytes.ContainsAny(text, "\r\n") {
			t.Fatalf("it is delivered as %q", text)
		}
	})
}
