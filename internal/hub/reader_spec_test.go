package hub_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// two is a cursor of two streams.
var two = hub.Cursor{{Stream: "orders", Born: "7", After: hub.ID{MS: 5, Seq: 1}}, {Stream: "payments", After: hub.ID{MS: 6}}}

// startsIn makes sure where a reader starts in a stream.
func startsIn(t *testing.T, spec hub.ReaderSpec, stream string, after hub.ID, born string) {
	t.Helper()
	place, err := spec.From.In(stream)
	if err != nil {
		t.Fatal(err)
	}
	gotBorn, _ := place.Resumes()
	if got, _ := place.After(); got != after || gotBorn != born {
		t.Errorf("in %s it starts after %s of %q, want %s of %q", stream, got, gotBorn, after, born)
	}
}

func TestReaderSpecIsRead(t *testing.T) {
	t.Parallel()
	spec, from, err := hub.ParseReaderSpec("stream=orders&stream=payments&stream=orders&from=after:"+two.String()+
		"&topic=us.*&topic=eu.**&type=re%3Ao.%2B", 2)
	if err != nil || from != "after:"+two.String() {
		t.Fatalf("it starts from %q (%v)", from, err)
	}
	if !slices.Equal(spec.Streams, []string{"orders", "payments"}) || !slices.Equal(spec.Topics, []string{"us.*", "eu.**"}) || !slices.Equal(spec.Types, []string{"re:o.+"}) {
		t.Errorf("the spec is %+v", spec)
	}
	startsIn(t, spec, "orders", hub.ID{MS: 5, Seq: 1}, "7")
	startsIn(t, spec, "payments", hub.ID{MS: 6}, "")
}

func TestReaderStartsAtTheLatest(t *testing.T) {
	t.Parallel()
	spec, from, err := hub.ParseReaderSpec("stream=orders", 1)
	if err != nil || from != "latest" || len(spec.Topics)+len(spec.Types) > 0 {
		t.Errorf("the spec is %+v from %q (%v)", spec, from, err)
	}
	if _, known := spec.From.After(); known {
		t.Error("it does not start at the latest")
	}
}

func TestReaderMayHaveACursorOfMoreStreams(t *testing.T) {
	t.Parallel()
	spec, _, err := hub.ParseReaderSpec("stream=payments&from=after:"+two.String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	startsIn(t, spec, "payments", hub.ID{MS: 6}, "")
}

func TestFaultyReaderSpecIsRefused(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]fault{
		"":                                 {{"?stream", "is missing"}},
		"stream=a&from=back":               {{"?from", "no start position"}},
		"stream=a&from=":                   {{"?from", "no start position"}},
		"stream=a&from=after:x":            {{"?from", "no cursor"}},
		"stream=a&from=latest&from=oldest": {{"?from", "is given 2 times"}},
		"stream=orders&stream=refunds&from=after:" + two.String(): {{"?from", `no place in the stream "refunds"`}},
		"stream=a&topic=&type=re:(":                               {{"?topic", "is empty"}, {"?type", "not a regular expression"}},
		"stream=a" + strings.Repeat("&topic=x", 101):              {{"?topic", "at most 100"}},
		"stream=a&stream=b&stream=c&stream=d":                     {{"?stream", "at most 3"}},
		"stream=a&limit=1&wait=1s&ack=none":                       {{"?ack", "not a known"}, {"?limit", "not a known"}, {"?wait", "not a known"}},
		"stream=a&%zz":                                            {{"?", "malformed"}},
	} {
		_, _, err := hub.ParseReaderSpec(query, 3)
		checkFaults(t, err, hub.CodeInvalidRequest, want)
	}
	_, _, err := hub.ParseReaderSpec("stream=-", 3)
	checkFaults(t, err, hub.CodeInvalidName, []fault{{"?stream", "not a stream name"}})
}

func TestPageSpecIsRead(t *testing.T) {
	t.Parallel()
	spec, limit, wait, err := hub.ParsePageSpec("orders", "")
	if err != nil || limit != 100 || wait != 0 || !slices.Equal(spec.Streams, []string{"orders"}) {
		t.Errorf("the spec is %+v, limit %d, wait %s (%v)", spec, limit, wait, err)
	}
	if after, known := spec.From.After(); !known || after != (hub.ID{}) {
		t.Error("it does not start at the oldest")
	}
	spec, limit, wait, err = hub.ParsePageSpec("orders", "from=after:5-1&limit=1000&wait=60s&topic=a&type=b&type=c")
	if err != nil || limit != 1000 || wait != time.Minute || !slices.Equal(spec.Topics, []string{"a"}) || !slices.Equal(spec.Types, []string{"b", "c"}) {
		t.Errorf("the spec is %+v, limit %d, wait %s (%v)", spec, limit, wait, err)
	}
	startsIn(t, spec, "orders", hub.ID{MS: 5, Seq: 1}, "")
}

func TestFaultyPageSpecIsRefused(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]fault{
		"limit=0&wait=-1s":       {{"?limit", "from 1 to 1000"}, {"?wait", "from 0s to 1m"}},
		"limit=1001&wait=61s":    {{"?limit", "from 1 to 1000"}, {"?wait", "from 0s to 1m"}},
		"limit=&wait=5":          {{"?limit", "whole number"}, {"?wait", "not a duration"}},
		"stream=orders&cursor=x": {{"?cursor", "not a known"}, {"?stream", "not a known"}},
		"from=x&topic=":          {{"?from", "no start position"}, {"?topic", "is empty"}},
		"from=after:" + hub.Cursor{{Stream: "visits"}}.String(): {{"?from", `no place in the stream "orders"`}},
	} {
		_, _, _, err := hub.ParsePageSpec("orders", query)
		checkFaults(t, err, hub.CodeInvalidRequest, want)
	}
	_, _, _, err := hub.ParsePageSpec("-", "limit=0")
	if got := hub.AsError(err); err == nil || got.Code != hub.CodeInvalidName {
		t.Errorf("a faulty name is %v", err)
	}
}

func TestReaderResumesWhereItsClientWas(t *testing.T) {
	t.Parallel()
	parse := func() *hub.ReaderSpec {
		spec, _, err := hub.ParseReaderSpec("stream=orders&stream=payments&from=oldest", 2)
		if err != nil {
			t.Fatal(err)
		}
		return &spec
	}
	spec := parse()
	if err := spec.Resume("9-2"); err != nil {
		t.Fatal(err)
	}
	startsIn(t, *spec, "payments", hub.ID{MS: 9, Seq: 2}, "")
	if err := spec.Resume(two.String()); err != nil {
		t.Fatal(err)
	}
	startsIn(t, *spec, "orders", hub.ID{MS: 5, Seq: 1}, "7")
	for _, last := range []string{"", "9", "latest", "after:9-2", two[:1].String()} {
		spec := parse()
		checkFaults(t, spec.Resume(last), hub.CodeInvalidRequest, []fault{{"header Last-Event-ID", ""}})
		startsIn(t, *spec, "orders", hub.ID{}, "")
	}
}

func FuzzParseReaderSpec(f *testing.F) {
	for _, seed := range []string{
		"", "stream=a&from=oldest", "stream=a&stream=b&from=after:1-1&topic=eu.**&type=re:x", "stream=orders&from=after:" + two.String(),
		"stream=a&from=at:2025-11-20T14:46:40Z", "from=after:MQ", "%zz", "stream=&limit=1&wait=1s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		spec, from, err := hub.ParseReaderSpec(query, 3)
		if err != nil {
			if code := hub.AsError(err).Code; code.Status() != 400 {
				t.Fatalf("%q is answered %v", query, err)
			}
			return
		}
		if _, err := hub.ParsePosition(from); err != nil || len(spec.Streams) == 0 || len(spec.Streams) > 3 {
			t.Fatalf("%q is %+v from %q (%v)", query, spec, from, err)
		}
		if _, err := hub.NewFilter(spec.Topics, spec.Types); err != nil {
			t.Fatalf("%q has patterns that do not compile: %v", query, err)
		}
		for _, stream := range spec.Streams {
			if _, err := spec.From.In(stream); err != nil {
				t.Fatalf("%q has no place in %s: %v", query, stream, err)
			}
		}
	})
}
