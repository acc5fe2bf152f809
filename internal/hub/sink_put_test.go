package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestSinkPutIsRead(t *testing.T) {
	t.Parallel()
	put, err := hub.DecodeSinkPut([]byte(` {"streams":["payments","orders","payments"],"from":"latest","topics":["us.*","eu.\u002a\u002a","us.*"],
		"types":[],"ack":"explicit","ack_wait":"30000ms","max_deliveries":10,"backoff":["1m","1s","1m"],"order":"none","expires_after":"0"}`))
	want := hub.SinkSettings{
		"from": "latest", "topics": `["eu.**","us.*"]`, "types": "[]", "ack": "explicit", "ack_wait": "30s", "max_deliveries": "10",
		"backoff": `["1m","1s","1m"]`, "order": "none", "expires_after": "0s",
	}
	if err != nil || !maps.Equal(put.Settings, want) || !slices.Equal(put.Streams, []string{"payments", "orders"}) {
		t.Errorf("it is %+v (%v), want %v", put, err, want)
	}
	put, err = hub.DecodeSinkPut([]byte(`{}`))
	if err != nil || len(put.Settings) != 0 || put.Streams != nil {
		t.Errorf("nothing is read as %+v (%v)", put, err)
	}
}

func TestEveryFaultOfASinkPutIsListed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 257)
	for name, tc := range map[string]struct {
		body string
		want []fault
	}{
		"wrong kinds": {
			`{"streams":"a","from":1,"topics":"a","types":{},"ack":null,"ack_wait":30,"max_deliveries":"10","backoff":["1s",1],"order":[],"expires_after":0}`,
			[]fault{
				{"/streams", "not an array"},
				{"/from", "not a string"},
				{"/topics", "not an array"},
				{"/types", "not an array"},
				{"/ack", "not a string"},
				{"/ack_wait", "not a string"},
				{"/max_deliveries", "not a whole number"},
				{"/backoff/1", "not a string"},
				{"/order", "not a string"},
				{"/expires_after", "not a string"},
			},
		},
		"bad values": {
			fmt.Sprintf(`{"streams":["ok","a b"],"from":"x","topics":["a","","\n",%q],"types":["re:a{1001}","re:(a{100}){10}"],"ack":"some",
				"ack_wait":"1ms","max_deliveries":1.0,"backoff":["1s","721h"],"order":"any","expires_after":"1ms"}`, long),
			[]fault{
				{"/streams/1", "not a stream name"},
				{"/from", "no start position"},
				{"/topics/1", "is empty"},
				{"/topics/2", "U+000A"},
				{"/topics/3", "257 bytes long, at most 256"},
				{"/types/0", "invalid repeat count"},
				{"/types/1", "at most 500"},
				{"/ack", `"some" is not known`},
				{"/ack_wait", "from 10ms to 24h"},
				{"/max_deliveries", `"1.0" is not a whole number from 0 to 1000000`},
				{"/backoff/1", "from 0s to 720h"},
				{"/order", `"any" is not known`},
				{"/expires_after", "from 1s to 87600h"},
			},
		},
		"no streams":    {`{"streams":[]}`, []fault{{"/streams", "is empty"}}},
		"unknown field": {`{"topic":"a"}`, []fault{{"/topic", "not a known field (streams, from, topics, types, ack,"}}},
		"given twice":   {`{"from":"latest","from":"oldest"}`, []fault{{"/from", "twice"}}},
		"too many": {
			`{"topics":["a"` + strings.Repeat(`,"a"`, 100) + `]}`,
			[]fault{{"/topics", "101 elements, at most 100"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			put, err := hub.DecodeSinkPut([]byte(tc.body))
			checkFaults(t, err, hub.CodeInvalidRequest, tc.want)
			if put.Settings != nil || put.Streams != nil {
				t.Errorf("there is something all the same: %+v", put)
			}
		})
	}
}

func FuzzDecodeSinkPut(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"streams":["a"],"topics":["eu.**"],"max_deliveries":0,"backoff":["1s"]}`, `{"order":"key"}`, `{"expires_after":"0","ack":"none"}`,
		`{"types":["re:\\Qa"],"from":"at:2025-11-20T14:46:40Z"}`, `[]`, `{"topics":{}}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		put, err := hub.DecodeSinkPut(body)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 || e.Detail == "" {
				t.Fatalf("%q is answered %v", body, err)
			}
			return
		}
		checkCanonical(t, put.Settings)
		again, err := hub.DecodeSinkPut(encodePut(t, put))
		if err != nil || !maps.Equal(again.Settings, put.Settings) || !slices.Equal(again.Streams, put.Streams) {
			t.Fatalf("%q is read as %+v, which is read as %+v (%v)", body, put, again, err)
		}
	})
}

// encodePut writes what DecodeSinkPut read.
func encodePut(t *testing.T, put hub.SinkPut) []byte {
	t.Helper()
	object := map[string]any{}
	if put.Streams != nil {
		object["streams"] = put.Streams
	}
	for name, text := range put.Settings {
		switch name {
		case "topics", "types", "backoff", "max_deliveries":
			object[name] = json.RawMessage(text)
		default:
			object[name] = text
		}
	}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(object); err != nil {
		t.Fatal(err)
	}
	return body.Bytes()
}
