package hub_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestSettlementIsRead(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) *time.Duration { return &d }
	first, second := hub.ID{MS: 1}, hub.ID{MS: 1763650000000, Seq: 5}
	for body, want := range map[string]hub.Settlement{
		"{\"ids\" : [\"1-0\",\n\"1763650000000-5\", \"1-0\"],\"stream\":\"orders\"}": {
			Verb: hub.VerbAck, Stream: "orders", Receipts: []hub.Receipt{{ID: first}, {ID: second}, {ID: first}},
		},
		`{"stream":"orders","up_to":"1763650000000-5"}`: {Verb: hub.VerbAck, Stream: "orders", UpTo: &second},
		`{"stream":"orders","ids":["1-0"]}`:             {Verb: hub.VerbNack, Stream: "orders", Receipts: []hub.Receipt{{ID: first}}},
		`{"stream":"orders","ids":[{"id":"1-0","attempt":2},"1763650000000-5"],"delay":"0s","reason":"no\npaper","dead_letter":false}`: {
			Verb: hub.VerbNack, Stream: "orders", Receipts: []hub.Receipt{{ID: first, Attempt: 2}, {ID: second}}, Delay: at(0), Reason: "no\npaper",
		},
		`{"dead_letter":true,"stream":"orders","ids":["1-0"],"delay":"1.5s"}`: {
			Verb: hub.VerbNack, Stream: "orders", Receipts: []hub.Receipt{{ID: first}}, Delay: at(1500 * time.Millisecond), DeadLetter: true,
		},
		`{"stream":"orders","ids":[{"attempt":1,"id":"1-0"}]}`: {
			Verb: hub.VerbExtend, Stream: "orders", Receipts: []hub.Receipt{{ID: first, Attempt: 1}},
		},
	} {
		if got, err := hub.DecodeSettlement(want.Verb, []byte(body)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v (%v), want %+v", body, got, err, want)
		}
	}
}

func TestEveryFaultOfASettlementIsListed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		verb hub.Verb
		body string
		want []fault
	}{
		"nothing":        {hub.VerbAck, `{}`, []fault{{"/stream", "missing"}, {"/ids", "missing (or give up_to)"}}},
		"nothing nacked": {hub.VerbNack, `{}`, []fault{{"/stream", "missing"}, {"/ids", "missing"}}},
		"wrong kinds":    {hub.VerbAck, `{"stream":1,"ids":"1-0"}`, []fault{{"/stream", "not a string"}, {"/ids", "not an array"}}},
		"no ids":         {hub.VerbAck, `{"stream":"s","ids":[ ]}`, []fault{{"/ids", "empty"}}},
		"bad ids":        {hub.VerbAck, `{"stream":"s","ids":["1-0",1,"1","x-1",null]}`, []fault{{"/ids/1", "not a string"}, {"/ids/2", "not an event id"}, {"/ids/3", "not an event id"}, {"/ids/4", "not a string"}}},
		"bad name":       {hub.VerbAck, `{"stream":"a b","ids":["1-0"]}`, []fault{{"/stream", "not a stream name"}}},
		"bad up_to":      {hub.VerbAck, `{"stream":"s","up_to":"latest"}`, []fault{{"/up_to", "not an event id"}}},
		"ids and up_to":  {hub.VerbAck, `{"stream":"s","ids":["1-0"],"up_to":"1-0"}`, []fault{{"/up_to", "both given"}}},
		"given twice":    {hub.VerbAck, `{"stream":"s","ids":["1-0"],"ids":["2-0"],"x":1}`, []fault{{"/ids", "twice"}, {"/x", "not a known field (stream, ids, up_to)"}}},
		"acked attempt":  {hub.VerbAck, `{"stream":"s","ids":[{"id":"1-0","attempt":1}]}`, []fault{{"/ids/0", "not a string"}}},
		"not for acks":   {hub.VerbAck, `{"stream":"s","ids":["1-0"],"delay":"1s"}`, []fault{{"/delay", "not a known field"}}},
		"not for nacks":  {hub.VerbNack, `{"stream":"s","up_to":"1-0"}`, []fault{{"/up_to", "not a known field"}, {"/ids", "missing"}}},
		"not for extend": {hub.VerbExtend, `{"stream":"s","ids":["1-0"],"reason":"x"}`, []fault{{"/reason", "not a known field (stream, ids)"}}},
		"nacks": {
			hub.VerbNack, `{"stream":"s","ids":["1-0"],"delay":"721h","reason":1,"dead_letter":"yes"}`,
			[]fault{{"/delay", "from 0s to 720h"}, {"/reason", "not a string"}, {"/dead_letter", "neither true nor false"}},
		},
		"null": {
			hub.VerbNack, `{"stream":"s","ids":["1-0"],"delay":null,"reason":null,"dead_letter":null}`,
			[]fault{{"/delay", "not a string"}, {"/reason", "not a string"}, {"/dead_letter", "neither"}},
		},
		"long reason": {hub.VerbNack, `{"stream":"s","ids":["1-0"],"reason":"` + strings.Repeat("x", 1025) + `"}`, []fault{{"/reason", "1025 bytes long, at most 1024"}}},
		"attempts": {
			hub.VerbExtend, `{"stream":"s","ids":[{},{"id":"1-0","attempt":0},{"id":1,"attempt":"1"},1,[],{"id":"1-0","attempt":1,"x":1},{"id":"1-0","id":"1-0","attempt":1}]}`,
			[]fault{
				{"/ids/0/id", "missing"},
				{"/ids/0/attempt", "missing"},
				{"/ids/1/attempt", "from 1 to"},
				{"/ids/2/id", "not a string"},
				{"/ids/2/attempt", "not a whole number"},
				{"/ids/3", "neither a string nor an object"},
				{"/ids/4", "neither a string nor an object"},
				{"/ids/5/x", "not a known field (id, attempt)"},
				{"/ids/6/id", "twice"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hub.DecodeSettlement(tc.verb, []byte(tc.body))
			checkFaults(t, err, hub.CodeInvalidRequest, tc.want)
		})
	}
	for _, body := range []string{"", "[]", "null", `{"stream":`, "{\"stream\":\"\xff\"}"} {
		if _, err := hub.DecodeSettlement(hub.VerbAck, []byte(body)); err == nil || hub.AsError(err).Code != hub.CodeInvalidRequest {
			t.Errorf("%q is answered %v", body, err)
		}
	}
}

func TestSettlementIsBounded(t *testing.T) {
	t.Parallel()
	settle := func(n int, first string) error {
		s, err := hub.DecodeSettlement(hub.VerbNack, []byte(`{"stream":"s","ids":[`+first+strings.Repeat(`,"1-0"`, n-1)+`]}`))
		if err == nil && len(s.Receipts) != n {
			t.Errorf("%d ids became %d", n, len(s.Receipts))
		}
		return err
	}
	if err := settle(hub.MaxAckIDs, `"1-0"`); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	checkFaults(t, settle(hub.MaxAckIDs+1, `"1-0"`), hub.CodePayloadTooLarge, []fault{{"/ids", "10001 elements, at most 10000"}})
	checkFaults(t, settle(hub.MaxAckIDs+1, `7`), hub.CodePayloadTooLarge, []fault{{"/ids", "at most 10000"}, {"/ids/0", "neither"}})
}

func TestReceiptsOfACommandAreRead(t *testing.T) {
	t.Parallel()
	receipts, err := hub.DecodeReceipts([]byte(` ["1-0",{"id":"2-0","attempt":3}]`), true)
	if want := []hub.Receipt{{ID: hub.ID{MS: 1}}, {ID: hub.ID{MS: 2}, Attempt: 3}}; err != nil || !reflect.DeepEqual(receipts, want) {
		t.Errorf("they are %v (%v), want %v", receipts, err, want)
	}
	_, err = hub.DecodeReceipts([]byte(`["1-0",{"id":"2-0","attempt":3}]`), false)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"/ids/1", "not a string"}})
	_, err = hub.DecodeReceipts([]byte(`null`), true)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"/ids", "not an array"}})
}

func TestReasonOfANackIsAnyShortTextPerhapsOfSeveralLines(t *testing.T) {
	t.Parallel()
	for reason, ok := range map[string]bool{
		"": true, "line\r\n\tline": true, "line\x00": false, "\u009b2J": false, strings.Repeat("x", 1024): true, strings.Repeat("x", 1025): false, "\xff": false,
	} {
		if err := hub.CheckReason(reason); (err == nil) != ok {
			t.Errorf("%.20q: %v", reason, err)
		}
	}
}

func FuzzDecodeSettlement(f *testing.F) {
	for _, seed := range []string{
		`{"stream":"s","ids":["1-0"]}`, `{"ids":[]}`, `{"stream":1,"ids":[1]}`, `[]`, `{"x":{}}`, `{"stream":"s","up_to":"1-0"}`,
		`{"stream":"s","ids":[{"id":"1-0","attempt":2}],"delay":"5s","reason":"x","dead_letter":true}`,
	} {
		for verb := range 3 {
			f.Add(uint8(verb), []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, verb uint8, body []byte) {
		s, err := hub.DecodeSettlement(hub.Verb(verb%3), body)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 && e.Code != hub.CodePayloadTooLarge || e.Detail == "" {
				t.Fatalf("%q is answered %v", body, err)
			}
			return
		}
		if (len(s.Receipts) == 0) != (s.UpTo != nil) || hub.CheckName("stream", s.Stream) != nil {
			t.Fatalf("%q settles %+v", body, s)
		}
		again, err := hub.DecodeSettlement(s.Verb, encodeSettlement(t, s))
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q is read as %+v, which is read as %+v (%v)", body, s, again, err)
		}
	})
}

// encodeSettlement writes what DecodeSettlement read.
func encodeSettlement(t *testing.T, s hub.Settlement) []byte {
	t.Helper()
	object := map[string]any{"stream": s.Stream}
	var ids []any
	for _, r := range s.Receipts {
		if r.Attempt == 0 {
			ids = append(ids, r.ID.String())
		} else {
			ids = append(ids, map[string]any{"id": r.ID.String(), "attempt": r.Attempt})
		}
	}
	if s.UpTo != nil {
		object["up_to"] = s.UpTo.String()
	} else {
		object["ids"] = ids
	}
	if s.Delay != nil {
		object["delay"] = hub.FormatDuration(*s.Delay)
	}
	if s.Verb == hub.VerbNack {
		object["reason"], object["dead_letter"] = s.Reason, s.DeadLetter
	}
	body, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return body
}
