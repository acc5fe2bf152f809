package hub_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestRedriveIsRead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]hub.Redrive{
		`{"all":true}`:                         {},
		`{"all":true,"stream":"orders"}`:       {Stream: "orders"},
		`{"ids":["1-0","2-0"]}`:                {IDs: []hub.ID{{MS: 1}, {MS: 2}}},
		`{"stream":"orders" , "ids":["1-0"] }`: {Stream: "orders", IDs: []hub.ID{{MS: 1}}},
	} {
		if got, err := hub.DecodeRedrive([]byte(body)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v (%v), want %+v", body, got, err, want)
		}
	}
}

func TestEveryFaultOfARedriveIsListed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]fault{
		`{}`:                                {{"/ids", `is missing (or give "all": true)`}},
		`{"ids":[]}`:                        {{"/ids", "is empty"}},
		`{"ids":["1-0"],"all":true}`:        {{"/all", "both given"}},
		`{"all":false}`:                     {{"/all", "not true"}},
		`{"all":1,"stream":"a b"}`:          {{"/all", "not true"}, {"/stream", "not a stream name"}},
		`{"ids":["x",{"id":"1-0"}],"id":1}`: {{"/ids/0", "not an event id"}, {"/ids/1", "not a string"}, {"/id", "not a known field (stream, ids, all)"}},
		`{"ids":"1-0","ids":["1-0"]}`:       {{"/ids", "not an array"}, {"/ids", "twice"}},
		`[]`:                                nil,
	} {
		got, err := hub.DecodeRedrive([]byte(body))
		checkFaults(t, err, hub.CodeInvalidRequest, want)
		if got.IDs != nil || got.Stream != "" {
			t.Errorf("%s is read as %+v all the same", body, got)
		}
	}
	_, err := hub.DecodeRedrive([]byte(`{"ids":["1-0"` + strings.Repeat(`,"1-0"`, hub.MaxAckIDs) + `]}`))
	checkFaults(t, err, hub.CodePayloadTooLarge, []fault{{"/ids", "10001 elements, at most 10000"}})
}

func FuzzDecodeRedrive(f *testing.F) {
	for _, seed := range []string{`{"all":true}`, `{"ids":["1-0"],"stream":"s"}`, `{"all":false,"ids":[]}`, "[]", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := hub.DecodeRedrive(body)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 && e.Code != hub.CodePayloadTooLarge || e.Detail == "" {
				t.Fatalf("%q is answered %v", body, err)
			}
			return
		}
		object := map[string]any{"all": true}
		if r.IDs != nil {
			ids := make([]string, len(r.IDs))
			for i, id := range r.IDs {
				ids[i] = id.String()
			}
			object = map[string]any{"ids": ids}
		}
		if r.Stream != "" {
			object["stream"] = r.Stream
		}
		again, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := hub.DecodeRedrive(again); err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%q is read as %+v, which is read as %+v (%v)", body, r, got, err)
		}
	})
}
