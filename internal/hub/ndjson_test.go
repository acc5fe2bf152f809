package hub_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestLinesAreEvents(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		"{\"data\":1}":   {"1"},
		"{\"data\":1}\n": {"1"},
		"\n \t\r\n{\"data\":1}\r\n\n{\"data\":2}\r\n": {"1", "2"},
		"{\"data\":[1,\r2]}\n{\"data\":\"\\n\"}":      {"[1,2]", `"\n"`},
	} {
		events, err := hub.ToStream.DecodeLines([]byte(body), hub.DefaultLimits)
		var got []string
		for _, e := range events {
			got = append(got, string(e.Data))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q has the data %q (%v), want %q", body, got, err, want)
		}
	}
}

func TestEveryFaultOfLinesIsListed(t *testing.T) {
	t.Parallel()
	body := "\n{\"data\":1}\n\n{\"data\":\n1}\n[]\n{\"data\":\"\xff\"}\n{\"x\":1}"
	_, err := hub.ToStream.DecodeLines([]byte(body), hub.DefaultLimits)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"/1", "on line 4 is not valid JSON: unexpected end"},
		{"/2", "on line 5 is not valid JSON"},
		{"/3", "is not an object"},
		{"/4", "on line 7 is not valid UTF-8"},
		{"/5/x", "not a known field"},
		{"/5/data", "is missing"},
	})
	for _, body := range []string{"", "\n", " \r\n\t"} {
		if _, err := hub.ToStream.DecodeLines([]byte(body), hub.DefaultLimits); hub.AsError(err).Code != hub.CodeInvalidRequest {
			t.Errorf("%q is answered %v", body, err)
		}
	}
	_, err = hub.ToStream.DecodeLines([]byte(strings.Repeat("x\n", 200)), hub.DefaultLimits)
	if n := len(hub.AsError(err).Faults); n != 100 {
		t.Errorf("%d faults are listed, want the first 100", n)
	}
}

func TestLinesHaveTheLimitsOfArrays(t *testing.T) {
	t.Parallel()
	lim := hub.Limits{EventBytes: 10, BatchEvents: 3, BatchBytes: 100}
	for body, fits := range map[string]bool{
		strings.Repeat("{\"data\":1}\n", 3):               true,
		strings.Repeat("{\"data\":1}\n", 4):               false,
		"{\"data\":1}" + strings.Repeat("\n", 90):         true,
		"{\"data\":1}" + strings.Repeat("\n", 91):         false,
		"{\"data\":\"12345678\"}":                         true,
		"{\"data\":\"123456789\"}":                        false,
		strings.Repeat("{\"data\":1}\n", 3) + "\n \n\r\n": true,
	} {
		_, err := hub.ToStream.DecodeLines([]byte(body), lim)
		if fits != (err == nil) || err != nil && hub.AsError(err).Code != hub.CodePayloadTooLarge {
			t.Errorf("%q is answered %v", body, err)
		}
	}
}

func FuzzDecodeLines(f *testing.F) {
	for _, seed := range []string{"{\"data\":1.10}", "\n{\"data\":null}\r\n{\"data_base64\":\"AP8=\"}\n", "[]\n{}", "{\"data\":[1,\r2]}", "{\n", "\xff"} {
		f.Add([]byte(seed))
	}
	lim := hub.Limits{EventBytes: 64, BatchEvents: 8, BatchBytes: 1024}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := hub.ToStream.DecodeLines(body, lim)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 && e.Code.Status() != 413 || e.Detail == "" || len(events) != 0 {
				t.Fatalf("%q is answered %v with %d events", body, err, len(events))
			}
		}
		// They are what the array of the same objects has.
		var elements [][]byte
		for line := range bytes.SplitSeq(body, []byte{'\n'}) {
			if len(bytes.Trim(line, " \t\r")) > 0 {
				elements = append(elements, line)
			}
		}
		array := slices.Concat([]byte{'['}, bytes.Join(elements, []byte{','}), []byte{']'})
		for _, element := range elements {
			if !json.Valid(element) {
				if err == nil {
					t.Fatalf("%q is accepted", body)
				}
				return
			}
		}
		same := lim
		same.BatchBytes = max(lim.BatchBytes, len(array))
		same.JSONDepth = hub.DefaultLimits.JSONDepth + 1
		want, _, arrayErr := hub.ToStream.Decode(array, same)
		if len(body) <= lim.BatchBytes && (err == nil) != (arrayErr == nil) || err == nil && len(events) != len(want) {
			t.Fatalf("%q: %d events (%v), the array has %d (%v)", body, len(events), err, len(want), arrayErr)
		}
		for i := range events {
			if got, want := events[i].AppendJSON(nil), want[i].AppendJSON(nil); !bytes.Equal(got, want) || bytes.ContainsAny(got, "\r\n") {
				t.Fatalf("%q has %q, the array has %q", body, got, want)
			}
		}
	})
}
