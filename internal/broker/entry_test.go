package broker

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// engineClient is a client as the engine has them.
func engineClient(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	config, err := parseRedisURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := config.client("test", 2)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// stored adds an entry and reads it back as a delivery would.
func stored(t testing.TB, c redis.UniversalClient, id string, fields []any) any {
	t.Helper()
	id, err := c.Do(t.Context(), append([]any{"xadd", "log", id}, fields...)...).Text()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := c.Do(t.Context(), "xrange", "log", id, id).Slice()
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries (%v)", len(entries), err)
	}
	return entries[0]
}

// genLabel draws what hub.CheckLabel allows.
var genLabel = rapid.OneOf(
	rapid.SampledFrom([]string{"", "order.created", "größe/注文 😀", `"\`, strings.Repeat("ä", 128), "\u2028\u00a0"}),
	rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool { return hub.CheckLabel("", string(r)) == nil }), 0, -1, 256),
)

// genJSON draws a JSON value in one line.
var genJSON = rapid.OneOf(
	rapid.SampledFrom([]string{"null", "1.10", "-0", "1e400", `""`, "{}", `{ "b" : [1 , 2.50] , "a" : 1, "a" : 2 }`, `"\u00e9\ud800\/"`}),
	rapid.Map(rapid.SliceOf(rapid.String()), func(list []string) string {
		text, _ := json.Marshal(list)
		return string(text)
	}),
)

func TestEventsComeBackFromRedisAsTheyWere(t *testing.T) {
	t.Parallel()
	c := engineClient(t, redistest.Start(t).URL())
	rapid.Check(t, func(rt *rapid.T) {
		e := hub.Event{
			Type: genLabel.Draw(rt, "type"), Topic: genLabel.Draw(rt, "topic"), Key: genLabel.Draw(rt, "key"),
			ContentType: rapid.SampledFrom([]string{"", "text/plain", "a/b; c=\"d\""}).Draw(rt, "content type"),
			Binary:      rapid.Bool().Draw(rt, "binary"),
		}
		if rapid.Bool().Draw(rt, "has headers") {
			e.Headers = []byte(`{"traceparent":"00-1","ä":"\""}`)
		}
		if e.Binary {
			e.Data = rapid.SliceOf(rapid.Byte()).Draw(rt, "payload")
		} else {
			e.Data = []byte(genJSON.Draw(rt, "data"))
		}
		d, ok := decodeEntry("orders", stored(t, c, "*", appendFields(nil, &e)))
		id, got := d.id, d.event
		if !ok || d.fault != "" {
			rt.Fatal("the entry is not read")
		}
		want := e
		want.ID, want.Stream, want.Time = id.String(), "orders", id.Time()
		if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); diff != "" {
			rt.Fatalf("it came back changed (-want +got):\n%s", diff)
		}
	})
}

func TestEntriesOfOneKindHaveTheSameFields(t *testing.T) {
	t.Parallel()
	e := hub.Event{Type: "t", Key: "k", Data: []byte("1")}
	if got, want := appendFields(nil, &e), []any{"v", "1", "type", "t", "key", "k", "data", []byte("1")}; !cmp.Equal(got, want) {
		t.Errorf("the fields are %q, want %q", got, want)
	}
}

func TestEntriesOfOtherProgramsAreServed(t *testing.T) {
	t.Parallel()
	c := engineClient(t, redistest.Start(t).URL())
	long := strings.Repeat("x", 257)
	const envelope = `"stream":"orders",`
	const time = `"time":"2025-11-20T14:13:20.000Z",`
	const asJSON, asBinary = time + `"content_type":"application/json",`, time + `"content_type":"application/octet-stream",`
	for name, tc := range map[string]struct {
		fields []any
		want   string // after the id
	}{
		"JSON in data":              {[]any{"data", `{"a":1.10}`}, envelope + asJSON + `"data":{"a":1.10}`},
		"an envelope":               {[]any{"topic", "eu", "type", "t", "key", "k", "data", "[]"}, envelope + `"type":"t","topic":"eu","key":"k",` + asJSON + `"data":[]`},
		"text in data":              {[]any{"data", `say "hi"`}, envelope + asJSON + `"data":"say \"hi\""`},
		"nothing in data":           {[]any{"data", ""}, envelope + asJSON + `"data":""`},
		"two values in data":        {[]any{"data", "1 2"}, envelope + asJSON + `"data":"1 2"`},
		"pretty-printed data":       {[]any{"data", "{\n  \"a\": [ 1,\r\n 2 ]\n}\n"}, envelope + asJSON + `"data":{"a":[1,2]}`},
		"bytes in data":             {[]any{"data", "\xff\x00"}, envelope + asBinary + `"data_base64":"/wA="`},
		"bytes in bin":              {[]any{"bin", "\xff\x00"}, envelope + asBinary + `"data_base64":"/wA="`},
		"bytes of a type":           {[]any{"content_type", "image/png", "bin", "x"}, envelope + time + `"content_type":"image/png","data_base64":"eA=="`},
		"no data":                   {[]any{"n", "ev", "p", `{"a":1}`}, envelope + asJSON + `"data":{"n":"ev","p":"{\"a\":1}"}`},
		"no data, and bytes":        {[]any{"\xff", "a\nb"}, envelope + asJSON + "\"data\":{\"\ufffd\":\"a\\nb\"}"},
		"no data, but a type":       {[]any{"type", "t", "n", "1"}, envelope + `"type":"t",` + asJSON + `"data":{"type":"t","n":"1"}`},
		"labels that are none":      {[]any{"type", "a\nb", "topic", "\xff", "key", long, "data", "1"}, envelope + asJSON + `"data":1`},
		"headers":                   {[]any{"headers", "{ \"a\":\n\"b\" }", "data", "1"}, envelope + asJSON + `"headers":{"a":"b"},"data":1`},
		"headers that are no text":  {[]any{"headers", `{"a":1}`, "data", "1"}, envelope + asJSON + `"data":1`},
		"headers that are no JSON":  {[]any{"headers", "a: b", "data", "1"}, envelope + asJSON + `"data":1`},
		"headers that are null":     {[]any{"headers", "null", "data", "1"}, envelope + asJSON + `"data":1`},
		"headers that are empty":    {[]any{"headers", "{}", "data", "1"}, envelope + asJSON + `"data":1`},
		"headers in invalid UTF-8":  {[]any{"headers", "{\"a\":\"\xff\"}", "data", "1"}, envelope + asJSON + `"data":1`},
		"our version but not ours":  {[]any{"v", "1", "temperature", "20"}, envelope + asJSON + `"data":{"v":"1","temperature":"20"}`},
		"the version in the middle": {[]any{"data", "text", "v", "1"}, envelope + asJSON + `"data":"text"`},
		"deeper than JSON goes":     {[]any{"data", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001)}, envelope + asJSON + `"data":"` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			c.Del(t.Context(), "log")
			const id = "1763648000000-7"
			d, ok := decodeEntry("orders", stored(t, c, id, tc.fields))
			e := d.event
			if !ok || d.fault != "" || d.id.String() != id {
				t.Fatalf("the entry %v is not read: %s", d.id, d.fault)
			}
			if text, want := string(e.AppendJSON(nil)), `{"id":"`+id+`",`+tc.want+"}"; text != want {
				t.Errorf("it is delivered as\n%.500s, want\n%.500s", text, want)
			}
		})
	}
}

func TestEntriesThatClaimToBeAHubsAndAreNotAreUndecodable(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string][]any{
		"of a later version":   {"v", "2", "data", "1"},
		"without data":         {"v", "1", "type", "t"},
		"cut off data":         {"v", "1", "data", `{"a":`},
		"data that is a word":  {"v", "1", "data", "oops"},
		"headers that are one": {"v", "1", "headers", "x", "data", "1"},
		"empty data":           {"v", "1", "data", ""},
		"empty headers":        {"v", "1", "headers", "", "data", "1"},
	} {
		d, ok := decodeEntry("orders", []any{"1-0", fields})
		if !ok || d.fault == "" {
			t.Errorf("%s: it is read as %+v", name, d.event)
		}
		if line := d.event.AppendJSON(nil); !json.Valid(line) {
			t.Errorf("%s: its likeness is %s", name, line)
		}
	}
}

func TestEntriesThatClaimToBeAHubsAreDeliveredInOneLine(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fields []any
		want   string // behind the time; "" where the entry is none of a hub's
	}{
		"pretty-printed data":   {[]any{"v", "1", "data", "{\n  \"a\": [ 1.10,\r\n 2 ]\n}"}, `"content_type":"application/json","data":{"a":[1.10,2]}}`},
		"a line break first":    {[]any{"v", "1", "data", "\n1"}, `"content_type":"application/json","data":1}`},
		"a carriage return":     {[]any{"v", "1", "data", "[1,\r2]"}, `"content_type":"application/json","data":[1,2]}`},
		"headers":               {[]any{"v", "1", "headers", "{\n\"a\": \"b\"\r}", "data", "{ }"}, `"content_type":"application/json","headers":{"a":"b"},"data":{ }}`},
		"a payload":             {[]any{"v", "1", "content_type", "text/plain", "bin", "\n{"}, `"content_type":"text/plain","data_base64":"Cns="}`},
		"inside of a string":    {[]any{"v", "1", "data", "[\"a\nb\"]"}, ""},
		"a string":              {[]any{"v", "1", "data", "\"a\rb\""}, ""},
		"inside of the headers": {[]any{"v", "1", "headers", "{\"a\":\"\n\"}", "data", "1"}, ""},
	} {
		d, ok := decodeEntry("orders", []any{"1-0", tc.fields})
		line := string(d.event.AppendJSON(nil))
		if !ok || (d.fault == "") != (tc.want != "") || !strings.HasSuffix(line, tc.want) || !json.Valid([]byte(line)) || strings.ContainsAny(line, "\r\n") {
			t.Errorf("%s: it is delivered as %q (%s)", name, line, d.fault)
		}
	}
}

func TestWhateverStandsInALogIsDeliveredAsJSON(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"v", "type", "topic", "key", "content_type", "headers", "data", "bin", "1", "2", "{}", "null", `{"a":"b"}`, "\n1", "{\n}", "[\"\r\"]"}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(text, 2, 20).Draw(t, "fields")
		fields := make([]any, len(texts)/2*2)
		for i := range fields {
			fields[i] = texts[i]
		}
		if rapid.Bool().Draw(t, "claims to be a hub's") {
			fields[0], fields[1] = fieldVersion, entryVersion
		}
		d, ok := decodeEntry("orders", []any{"1-0", fields})
		e := d.event
		if !ok {
			t.Fatal("the entry is not read")
		}
		line := e.AppendJSON(nil)
		if !json.Valid(line) || !utf8.Valid(line) || bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("it is delivered as %q", line)
		}
	})
}

func TestWhatIsNoEntryIsPassedOver(t *testing.T) {
	t.Parallel()
	for _, entry := range []any{
		nil, "x", int64(1),
		[]any{},
		[]any{"1-0"},
		[]any{"1-0", nil},
		[]any{"1-0", []any{}},
		[]any{"1-0", "x"},
		[]any{int64(1), []any{"a", "b"}},
		[]any{"x", []any{"a", "b"}},
		[]any{nil, nil},
	} {
		if d, ok := decodeEntry("orders", entry); ok {
			t.Errorf("%v became %+v", entry, d)
		}
	}
}

func TestDeletedEntryIsPassedOver(t *testing.T) {
	t.Parallel()
	c, ctx := engineClient(t, redistest.Start(t).URL()), t.Context()
	for _, do := range [][]any{
		{"xgroup", "create", "log", "g", "$", "mkstream"},
		{"xadd", "log", "1-0", "data", "1"},
		{"xadd", "log", "2-0", "data", "2"},
		{"xreadgroup", "group", "g", "c", "streams", "log", ">"},
		{"xdel", "log", "1-0"},
	} {
		if err := c.Do(ctx, do...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := c.Do(ctx, "xreadgroup", "group", "g", "c", "streams", "log", "0").Slice()
	if err != nil {
		t.Fatal(err)
	}
	var read []string
	for _, entry := range answer[0].([]any)[1].([]any) {
		if d, ok := decodeEntry("orders", entry); ok {
			read = append(read, d.event.ID)
		}
	}
	if !slices.Equal(read, []string{"2-0"}) {
		t.Errorf("the entries read are %q", read)
	}
}
