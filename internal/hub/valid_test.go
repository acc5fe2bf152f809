package hub_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"eventhub/internal/hub"
)

var jsonEdges = []string{
	`{}`, `[]`, ` [ ] `, `{"a":1}`, `{"a" : [1 , 2.5e-3,-0,0.0E+1, "x"] , "b":{"c":null}}`, `"é\u00e9\n\"\\\/"`, `true`, `false`, `null`,
	`-`, `01`, `1.`, `.1`, `1e`, `+1`, `--1`, `-01`, `1e+`, `0x1`, `tru`, `truex`, `nul`, `[1,]`, `[,1]`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":1`,
	`[1`, `"abc`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\uABcd"`, `"\`, "\"a\tb\"", "\"\x00\"", "\"1234567\x1f\"", "\"\x7f\xc2\x80\"", `""`, ``, ` `, `1 2`, `[1 2]`, `]`, `}`,
	"\ufeff1", "\v1", `"12345678`, `"1234567"`, `"12345678"`, `"123456789\n12345678901234567890"`, `{"a":{"a":[[[{"a":[]}]]]}}`, "\"!\x01\"", `"!\"!\\!"`,
	strings.Repeat("[", 99) + strings.Repeat("]", 99), strings.Repeat("[", 500) + strings.Repeat("]", 500), strings.Repeat("[", 20000) + strings.Repeat("]", 20000),
}

// The fuzz test of CheckJSON looks for what this list forgets.
func TestJSONIsTakenAsByEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, text := range jsonEdges {
		for cut := range len(text) + 1 {
			body := []byte(text[cut:])
			if cut > 0 {
				body = []byte(text[:cut])
			}
			if len(body) > 1000 && cut > 0 {
				break // to cut nothing but brackets says nothing new
			}
			if got, want := hub.CheckJSON(body) == nil, json.Valid(body) && utf8.Valid(body); got != want {
				t.Errorf("%q is taken: %t, want %t", body, got, want)
			}
		}
	}
}

func BenchmarkCheckJSON(b *testing.B) {
	for name, text := range map[string]string{
		"text":   `{"type":"order.created","data":{"n":1,"text":"` + strings.Repeat("x", 240) + `"}}`,
		"fields": `{"type":"order.created","data":{` + strings.Repeat(`"id":12,"name":"a b","ok":true, `, 8) + `"last":-1.5e3}}`,
	} {
		body := []byte(text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := hub.CheckJSON(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestLabelsOfABatchAreEachTheirOwn(t *testing.T) {
	t.Parallel()
	body := `[{"type":"a","topic":"t","data":1},{"type":"a","data":2},{"type":"b","topic":"t","key":"é","data":3},{"topic":"","key":"\u00e9","data":4},{"type":"a\\b","data":5}]`
	events, _, err := hub.ToStream.Decode([]byte(body), hub.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	want := [][3]string{{"a", "t", ""}, {"a", "", ""}, {"b", "t", "é"}, {"", "", "é"}, {`a\b`, "", ""}}
	for i, e := range events {
		if got := [3]string{e.Type, e.Topic, e.Key}; got != want[i] {
			t.Errorf("the labels of event %d are %q, want %q", i, got, want[i])
		}
	}
	// The text of the second is the first one's value, but says a control character.
	_, _, err = hub.ToStream.Decode([]byte(`[{"type":"a\\b","data":1},{"type":"a\b","data":2},{"type":"\u007f","data":3},{"type":"`+"\x7f"+`","data":4}]`), hub.DefaultLimits)
	if faults := hub.AsError(err).Faults; len(faults) != 3 || faults[0].Pointer != "/1/type" || faults[1].Pointer != "/2/type" || faults[2].Pointer != "/3/type" {
		t.Errorf("control characters are answered %v", err)
	}
}
