package hub_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// entrance is where a client's text gets in; let is what reads it.
type entrance struct {
	field string // that the error names
	let   func(text string) error
}

// query has a parser read one parameter; others come before it.
func query(name, others string, parse func(query string) error) entrance {
	return entrance{"?" + name, func(text string) error { return parse(others + name + "=" + url.QueryEscape(text)) }}
}

// ofObject has a parser read one member of an object.
func ofObject(name, others string, parse func(body []byte) error) entrance {
	return entrance{"/" + name, func(text string) error {
		quoted, err := json.Marshal(text)
		if err != nil {
			return err
		}
		return parse(fmt.Appendf(nil, `{%s%q:%s}`, others, name, quoted))
	}}
}

func entrances() []entrance {
	publish := func(body []byte) error {
		_, _, err := hub.ToStream.Decode(body, hub.DefaultLimits)
		return err
	}
	many := func(body []byte) error {
		_, _, err := hub.ToMany.Decode(slices.Concat([]byte{'['}, body, []byte{']'}), hub.DefaultLimits)
		return err
	}
	nack := func(body []byte) error { _, err := hub.DecodeSettlement(hub.VerbNack, body); return err }
	put := func(body []byte) error { _, err := hub.DecodeSinkPut(body); return err }
	raw := func(query string) error { _, err := hub.ParseRaw(query, nil); return err }
	consumer := func(query string) error {
		_, err := hub.ParseConsumerSpec("billing", query, hub.SpecDefaults{Prefetch: 1, MaxStreams: 10})
		return err
	}
	reader := func(query string) error { _, _, err := hub.ParseReaderSpec(query, 10); return err }
	broadcast := func(query string) error { _, err := hub.ParseBroadcastSpec(query, 10); return err }
	names := func(query string) error { _, _, _, err := hub.ParseNamePage(query, 100); return err }
	cloudEvent := func(body []byte) error { _, err := hub.DecodeCloudEvent(body, hub.DefaultLimits); return err }
	attributes := `"specversion":"1.0","id":"1","source":"/x","type":"t",`
	list := []entrance{
		query("type", "", raw), query("topic", "", raw), query("key", "", raw),
		query("consumer", "stream=s&", consumer), query("topic", "stream=s&", consumer), query("from", "stream=s&", consumer), query("stream", "", consumer),
		query("type", "stream=s&", reader), query("from", "stream=s&", reader), query("stream", "", reader),
		query("channel", "", broadcast), query("topic", "channel=c&", broadcast), query("slow", "channel=c&", broadcast),
		query("prefix", "", names), query("cursor", "", names),
		query("cursor", "", func(query string) error { _, _, err := hub.ParsePage(query, 100, "cursor"); return err }),
		ofObject("type", `"data":1,`, publish), ofObject("topic", `"data":1,`, publish), ofObject("key", `"data":1,`, publish),
		ofObject("content_type", `"data":1,`, publish), ofObject("idempotency_key", `"data":1,`, publish), ofObject("stream", `"data":1,`, many),
		ofObject("reason", `"stream":"s","ids":["1-0"],`, nack), ofObject("stream", `"ids":["1-0"],`, nack),
		ofObject("from", "", put), ofObject("order", "", put),
		ofObject("subject", attributes, cloudEvent), ofObject("partitionkey", attributes, cloudEvent), ofObject("extension", attributes, cloudEvent),
		{"/headers/x", func(text string) error {
			quoted, _ := json.Marshal(text)
			return publish(fmt.Appendf(nil, `{"data":1,"headers":{"x":%s}}`, quoted))
		}},
		{"/headers/", func(text string) error {
			quoted, _ := json.Marshal(text)
			return publish(fmt.Appendf(nil, `{"data":1,"headers":{%s:"x"}}`, quoted))
		}},
		{"/a~1", func(text string) error {
			quoted, _ := json.Marshal(text)
			return publish(fmt.Appendf(nil, `{"data":1,%s:1}`, quoted))
		}},
		{"?a/", func(text string) error { return raw(url.QueryEscape(text) + "=1") }},
		{"header Idempotency-Key", func(text string) error { _, err := hub.ParsePublication("", []string{text}); return err }},
		{"header Content-Type", func(text string) error {
			return hub.DecodeRaw(&hub.Event{}, text, []byte(`1`), hub.DefaultLimits)
		}},
		{"header ce-source", func(text string) error {
			_, err := hub.DecodeBinaryCloudEvent(map[string][]string{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Type": {"t"}, "Ce-Source": {url.PathEscape(text)}}, nil, hub.DefaultLimits)
			return err
		}},
		{"Last-Event-ID", func(text string) error { return (&hub.ReaderSpec{Streams: []string{"s"}}).Resume(text) }},
	}
	for _, kind := range []string{"stream", "sink", "channel"} {
		list = append(list, entrance{kind, func(text string) error {
			if err := hub.CheckName(kind, text); err != nil {
				return err
			}
			return nil
		}})
	}
	return list
}

// TestControlCharactersAreRefusedWhereverTextGetsIn: they would end lines of event
// streams, logs and headers, or speak to the terminal of who looks at them.
func TestControlCharactersAreRefusedWhereverTextGetsIn(t *testing.T) {
	t.Parallel()
	for _, e := range entrances() {
		for _, c := range []string{"\x00", "\n", "\r", "\x1b", "\x7f", "\u0085", "\u009b"} {
			err := e.let("a/" + c + "b")
			if e.field == "/reason" && (c == "\n" || c == "\r") { // it may be a stack trace
				if err != nil {
					t.Errorf("%s with %q is refused: %v", e.field, c, err)
				}
				continue
			}
			told := hub.AsError(err)
			if err == nil || told.Code.Status() != 400 || !names(told, e.field) {
				t.Errorf("%s with %q is answered %v, want 400 that names it", e.field, c, err)
				continue
			}
			if strings.ContainsFunc(told.Detail, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }) {
				t.Errorf("the answer to %s with %q repeats it: %q", e.field, c, told.Detail)
			}
		}
	}
}

// TestTextIsValidUTF8WhereverItGetsIn is about what comes percent-encoded, or in headers:
// JSON that is not is refused as a whole.
func TestTextIsValidUTF8WhereverItGetsIn(t *testing.T) {
	t.Parallel()
	for _, e := range entrances() {
		if strings.HasPrefix(e.field, "/") || e.field == "?a/" {
			continue
		}
		if err := e.let("a/\xffb"); err == nil || !names(hub.AsError(err), e.field) {
			t.Errorf("%s with invalid UTF-8 is answered %v, want 400 that names it", e.field, err)
		}
	}
}

// names says whether an error says which field is meant.
func names(e *hub.Error, field string) bool {
	if strings.Contains(e.Detail, field) {
		return true
	}
	return slices.ContainsFunc(e.Faults, func(f hub.Fault) bool { return strings.HasPrefix(f.Pointer, field) })
}
