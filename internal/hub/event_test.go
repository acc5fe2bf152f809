package hub_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"eventhub/internal/hub"
)

// wireEvent is an event as a client reads it.
type wireEvent struct {
	ID          string            `json:"id"`
	Stream      string            `json:"stream"`
	Channel     string            `json:"channel"`
	Type        string            `json:"type"`
	Topic       string            `json:"topic"`
	Key         string            `json:"key"`
	Time        time.Time         `json:"time"`
	ContentType string            `json:"content_type"`
	Headers     map[string]string `json:"headers"`
	Data        json.RawMessage   `json:"data"`
	DataBase64  []byte            `json:"data_base64"`
	Attempt     int               `json:"attempt"`
}

var noon = time.Date(2025, 11, 20, 12, 0, 0, int(7*time.Millisecond), time.UTC)

func TestEventOnTheWire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		event hub.Event
		want  string
	}{
		"absent fields are left out": {
			hub.Event{ID: "1-0", Stream: "s", Time: noon, Data: []byte("null")},
			`{"id":"1-0","stream":"s","time":"2025-11-20T12:00:00.007Z","content_type":"application/json","data":null}`,
		},
		"all there is": {
			hub.Event{
				ID: "1-0", Stream: "s", Type: "order.created", Topic: "eu.de", Key: "k\"1", Time: noon, ContentType: "application/x+json",
				Headers: []byte(`{"a":"b"}`), Data: []byte(`{"total":12.50}`), Attempt: 3,
			},
			`{"id":"1-0","stream":"s","type":"order.created","topic":"eu.de","key":"k\"1","time":"2025-11-20T12:00:00.007Z",` +
				`"content_type":"application/x+json","headers":{"a":"b"},"data":{"total":12.50},"attempt":3}`,
		},
		"of a channel": {
			hub.Event{ID: "x-1", Channel: "room-1", Time: noon, Data: []byte(`[]`)},
			`{"id":"x-1","channel":"room-1","time":"2025-11-20T12:00:00.007Z","content_type":"application/json","data":[]}`,
		},
		"binary": {
			hub.Event{ID: "1-0", Stream: "s", Time: noon, ContentType: "image/png", Data: []byte{0, 0xff, '\n'}, Binary: true},
			`{"id":"1-0","stream":"s","time":"2025-11-20T12:00:00.007Z","content_type":"image/png","data_base64":"AP8K"}`,
		},
		"empty binary": {
			hub.Event{ID: "1-0", Stream: "s", Time: noon, ContentType: "image/png", Binary: true},
			`{"id":"1-0","stream":"s","time":"2025-11-20T12:00:00.007Z","content_type":"image/png","data_base64":""}`,
		},
		"time is UTC to the millisecond": {
			hub.Event{ID: "1-0", Time: noon.In(time.FixedZone("", 3600)).Add(999 * time.Microsecond), Data: []byte(`0`)},
			`{"id":"1-0","time":"2025-11-20T12:00:00.007Z","content_type":"application/json","data":0}`,
		},
	} {
		if got := string(tc.event.AppendJSON([]byte(">"))); got != ">"+tc.want {
			t.Errorf("%s:\n%s, want\n%s", name, got[1:], tc.want)
		}
	}
}

func FuzzEventRoundTrip(f *testing.F) {
	f.Add("order.created", "eu.de", "customer-42", "application/json", `{"total":12.50}`, `{"a":"b"}`, false, 1)
	f.Add("", "", "", "", "null", "", false, 0)
	f.Add("\"\\\n", "\xff", "😀", "text/plain", "\x00\xff", "{}", true, 7)
	f.Fuzz(func(t *testing.T, kind, topic, key, contentType, data, headers string, binary bool, attempt int) {
		if !binary && hub.CheckJSON([]byte(data)) != nil {
			return
		}
		wantHeaders := map[string]string{}
		if headers != "" && (hub.CheckJSON([]byte(headers)) != nil || json.Unmarshal([]byte(headers), &wantHeaders) != nil || wantHeaders == nil) {
			return
		}
		e := hub.Event{
			ID: "1-0", Stream: "s", Type: kind, Topic: topic, Key: key, Time: noon, ContentType: contentType,
			Headers: hub.OneLine([]byte(headers)), Data: []byte(data), Binary: binary, Attempt: attempt,
		}
		if !binary {
			e.Data = hub.OneLine(e.Data)
		}
		text := e.AppendJSON(nil)
		if bytes.ContainsAny(text, "\r\n") {
			t.Fatalf("the event takes more than one line: %q", text)
		}
		var got wireEvent
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		for field, pair := range map[string][2]string{
			"type": {got.Type, kind}, "topic": {got.Topic, topic}, "key": {got.Key, key},
		} {
			if want := validText(t, pair[1]); pair[0] != want {
				t.Errorf("%s is %q, want %q", field, pair[0], want)
			}
		}
		if want := validText(t, contentType); want != "" && got.ContentType != want || want == "" && got.ContentType != hub.JSONType {
			t.Errorf("content_type is %q, want %q", got.ContentType, want)
		}
		if got.ID != e.ID || got.Stream != e.Stream || !got.Time.Equal(noon) || got.Attempt != max(attempt, 0) {
			t.Errorf("%q is not %+v", text, e)
		}
		if !maps.Equal(got.Headers, wantHeaders) {
			t.Errorf("headers are %q, want %q", got.Headers, wantHeaders)
		}
		if binary && !bytes.Equal(got.DataBase64, e.Data) || !binary && !bytes.Equal(got.Data, bytes.TrimSpace(e.Data)) {
			t.Errorf("data is %q or %q, want %q", got.Data, got.DataBase64, e.Data)
		}
		checkNoneAbsent(t, text, &e)
	})
}

// validText is s as JSON can carry it.
func validText(t *testing.T, s string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var valid string
	if err := json.Unmarshal(text, &valid); err != nil {
		t.Fatal(err)
	}
	return valid
}

// checkNoneAbsent makes sure that the event has those fields only that are set.
func checkNoneAbsent(t *testing.T, text []byte, e *hub.Event) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"id": true, "stream": e.Stream != "", "channel": e.Channel != "", "type": e.Type != "", "topic": e.Topic != "", "key": e.Key != "",
		"time": true, "content_type": true, "headers": len(e.Headers) > 0, "data": !e.Binary, "data_base64": e.Binary, "attempt": e.Attempt > 0,
	}
	maps.DeleteFunc(want, func(_ string, present bool) bool { return !present })
	got, expected := slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(want))
	if !slices.Equal(got, expected) {
		t.Errorf("the event has the fields %q, want %q", got, expected)
	}
}
