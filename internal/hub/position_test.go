package hub_test

import (
	"reflect"
	"testing"

	"eventhub/internal/hub"
)

func TestPositionSaysWhatEverythingWantedComesAfter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"latest":                             "",
		"oldest":                             "0-0",
		"after:1763650000000-5":              "1763650000000-5",
		"after:0-0":                          "0-0",
		"at:1970-01-01T00:00:00Z":            "0-0",
		"at:2025-11-20T14:46:40.000Z":        "1763649999999-18446744073709551615",
		"at:2025-11-20T15:46:40+01:00":       "1763649999999-18446744073709551615",
		"at:2025-11-20T14:46:40.0000001Z":    "1763650000000-18446744073709551615", // ids count whole milliseconds
		"at:2025-11-20T14:46:39.999999999Z":  "1763649999999-18446744073709551615",
		"at:9999-12-31T23:59:59.999Z":        "253402300799998-18446744073709551615",
		"after:18446744073709551615-1844674": "18446744073709551615-1844674",
	} {
		position, err := hub.ParsePosition(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		id, ok := position.After()
		if ok != (want != "") || ok && id.String() != want {
			t.Errorf("%s is after %v (known: %t), want %q", text, id, ok, want)
		}
	}
}

func TestPositionAtATimeIncludesThatMillisecond(t *testing.T) {
	t.Parallel()
	position, err := hub.ParsePosition("at:2025-11-20T14:46:40.000Z")
	if err != nil {
		t.Fatal(err)
	}
	after, _ := position.After()
	if first := (hub.ID{MS: 1763650000000}); after.Compare(first) >= 0 || after != first.Before() {
		t.Errorf("it is after %v, so that %v is left out", after, first)
	}
}

func TestZeroPositionIsLatest(t *testing.T) {
	t.Parallel()
	if !reflect.DeepEqual(hub.Position{}, hub.Latest) {
		t.Error("the zero Position is not Latest")
	}
	if _, ok := hub.Latest.After(); ok {
		t.Error("Latest claims to know an id")
	}
}

func TestWhatIsNoPositionIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "Latest", "newest", "latest ", "after", "after:", "after:5", "after:latest", "at:", "at:yesterday", "at:2025-11-20",
		"at:2025-11-20T14:46:40", "at:1969-12-31T23:59:59.999Z", "1763650000000-0",
	} {
		if _, err := hub.ParsePosition(text); err == nil || err.Code != hub.CodeInvalidRequest {
			t.Errorf("%q is answered %v, want %s", text, err, hub.CodeInvalidRequest)
		}
	}
}

func TestCursorPlacesAReaderInEachOfItsStreams(t *testing.T) {
	t.Parallel()
	position, err := hub.ParsePosition("after:" + three().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := position.Resumes(); !ok {
		t.Error("a cursor is not taken for a place up to which was read")
	}
	for _, place := range three() {
		in, err := position.In(place.Stream)
		if err != nil {
			t.Fatal(err)
		}
		after, ok := in.After()
		born, resumes := in.Resumes()
		if !ok || !resumes || after != place.After || born != place.Born {
			t.Errorf("in %s it is after %v (%t) of the stream born %q (%t), want %+v", place.Stream, after, ok, born, resumes, place)
		}
		// A place in one stream is no place in another.
		again, err := in.In(place.Stream)
		if after2, _ := again.After(); err != nil || after2 != after {
			t.Errorf("in %s again it is after %v (%v)", place.Stream, after2, err)
		}
		if _, err := in.In("unknown"); err == nil {
			t.Errorf("the place in %s is one in another stream", place.Stream)
		}
	}
	if _, err := position.In("unknown"); err == nil || err.Code != hub.CodeInvalidRequest {
		t.Errorf("a stream that the cursor does not have is answered %v", err)
	}
}

func TestPositionsWithoutACursorAreTheSameInEveryStream(t *testing.T) {
	t.Parallel()
	for text, resumes := range map[string]bool{"latest": false, "oldest": false, "after:5-1": true, "at:2025-11-20T14:46:40Z": false} {
		position, err := hub.ParsePosition(text)
		if err != nil {
			t.Fatal(err)
		}
		in, err := position.In("orders")
		if err != nil || !reflect.DeepEqual(in, position) {
			t.Errorf("%s is %+v in a stream (%v)", text, in, err)
		}
		if born, ok := position.Resumes(); ok != resumes || born != "" {
			t.Errorf("%s resumes: %t (%q), want %t", text, ok, born, resumes)
		}
	}
}
