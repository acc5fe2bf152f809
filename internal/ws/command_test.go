package ws

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestCommandsAreRead(t *testing.T) {
	t.Parallel()
	one := hub.ID{MS: 1}
	for frame, want := range map[string]command{
		`{"type":"ack","ids":["1-0"]}`:                                   {kind: "ack", receipts: []hub.Receipt{{ID: one}}},
		" \r\n\t{ \"ids\" : [ \"1-0\" ] , \"type\" : \"ack\" } ":         {kind: "ack", receipts: []hub.Receipt{{ID: one}}},
		`{"type":"ack","ids":["1-0"],"ref":"a\"b"}`:                      {kind: "ack", receipts: []hub.Receipt{{ID: one}}, ref: []byte(`"a\"b"`)},
		`{"type":"ack","ids":["1-0"],"ref":-1.50}`:                       {kind: "ack", receipts: []hub.Receipt{{ID: one}}, ref: []byte(`-1.50`)},
		`{"type":"nack","stream":"s","ids":[{"id":"1-0"}],"delay":"0s"}`: {kind: "nack", stream: "s", receipts: []hub.Receipt{{ID: one}}},
		`{"type":"nack","ids":[{"attempt":2,"id":"1-0"},"2-0"],"delay":"1m5s"}`: {
			kind: "nack", receipts: []hub.Receipt{{ID: one, Attempt: 2}, {ID: hub.ID{MS: 2}}}, delay: 65 * time.Second,
		},
		`{"type":"no such"}`:                          {kind: "no such"},
		`{"\u0074ype":"\u0061ck","ids":["1\u002d0"]}`: {kind: "ack", receipts: []hub.Receipt{{ID: one}}},
	} {
		got, fault := parseCommand([]byte(frame))
		if fault != nil {
			t.Errorf("%s: %v", frame, fault)
			continue
		}
		if got.kind != want.kind || got.stream != want.stream || got.delay != want.delay || !bytes.Equal(got.ref, want.ref) ||
			!slices.Equal(got.receipts, want.receipts) {
			t.Errorf("%s is %+v, want %+v", frame, *got, want)
		}
	}
}

func TestFrameThatIsNoObjectIsNoCommand(t *testing.T) {
	t.Parallel()
	for _, frame := range []string{"", " ", "[]", `"ack"`, "null", "1", `{"type":"ack"`, `{"type":"ack"}{}`, "{\"type\":\"\xff\"}", "ack", strings.Repeat("[", 20_000)} {
		c, fault := parseCommand([]byte(frame))
		if c != nil || fault == nil || fault.Code != hub.CodeInvalidRequest || !strings.Contains(fault.Detail, "must be a JSON object") {
			t.Errorf("%.20q is %+v, %v", frame, c, fault)
		}
	}
}

func TestFaultyCommandIsAnsweredUnderItsRef(t *testing.T) {
	t.Parallel()
	for frame, says := range map[string]string{
		`{"ref":7}`:                                                                  "type is missing",
		`{"ref":7,"type":1}`:                                                         "type is not a string",
		`{"type":"ack","ref":7,"ids":1}`:                                             "ids is not an array",
		`{"type":"ack","ref":7,"ids":[]}`:                                            "ids is empty",
		`{"type":"ack","ref":7,"ids":["1-0",2]}`:                                     "ids/1: want",
		`{"type":"ack","ref":7,"ids":["1-0","x"]}`:                                   "ids/1: \"x\" is not an event id",
		`{"type":"ack","ref":7,"ids":[{}]}`:                                          "ids/0: want",
		`{"type":"ack","ref":7,"ids":[{"id":1}]}`:                                    "ids/0: want",
		`{"type":"ack","ref":7,"ids":[{"id":"1-0","attempt":0}]}`:                    "ids/0: attempt",
		`{"type":"ack","ref":7,"ids":[{"id":"1-0","attempt":"1"}]}`:                  "ids/0: attempt",
		`{"type":"ack","ref":7,"ids":[{"id":"1-0","attempt":99999999999999999999}]}`: "ids/0: attempt",
		`{"type":"ack","ref":7,"ids":[{"id":"1-0","no":1}]}`:                         "ids/0: only id and attempt",
		`{"type":"nack","ref":7,"delay":5}`:                                          "delay is not a string",
		`{"type":"nack","ref":7,"delay":"5"}`:                                        "delay: ",
		`{"type":"nack","ref":7,"delay":"-1s"}`:                                      "delay: ",
		`{"type":"nack","ref":7,"delay":"721h"}`:                                     "delay: ",
		`{"type":"ack","ref":7,"stream":null}`:                                       "stream is not a string",
	} {
		c, fault := parseCommand([]byte(frame))
		if c == nil || string(c.ref) != "7" || fault == nil || fault.Code != hub.CodeInvalidRequest || !strings.HasPrefix(fault.Detail, says) {
			t.Errorf("%s is %+v, %v, want the fault %q", frame, c, fault, says)
		}
	}
}

func TestRefIsAShortStringOrANumber(t *testing.T) {
	t.Parallel()
	for ref, ok := range map[string]bool{
		`""`: true, `"x"`: true, `0`: true, `-1e9`: true, `"` + strings.Repeat("x", 254) + `"`: true,
		`null`: false, `true`: false, `{}`: false, `[]`: false, `"` + strings.Repeat("x", 255) + `"`: false,
	} {
		c, fault := parseCommand([]byte(`{"type":"ack","ref":` + ref + `}`))
		if c == nil || (fault == nil) != ok || (c.ref != nil) != ok {
			t.Errorf("%.20s: %+v, %v", ref, c, fault)
		}
	}
}

func TestIDsOfACommandAreBounded(t *testing.T) {
	t.Parallel()
	parse := func(n int) (*command, *hub.Error) {
		return parseCommand([]byte(`{"type":"ack","ref":7,"ids":["1-0"` + strings.Repeat(`,"1-0"`, n-1) + `]}`))
	}
	if c, fault := parse(hub.MaxAckIDs); fault != nil || len(c.receipts) != hub.MaxAckIDs {
		t.Errorf("at the limit: %v", fault)
	}
	if c, fault := parse(hub.MaxAckIDs + 1); fault == nil || fault.Code != hub.CodePayloadTooLarge || string(c.ref) != "7" {
		t.Errorf("over the limit: %v", fault)
	}
}

func TestFieldsOfOtherCommandsAreFaults(t *testing.T) {
	t.Parallel()
	c, fault := parseCommand([]byte(`{"type":"ack","ids":["1-0"],"delay":"1s","` + strings.Repeat("x", 1000) + `":1}`))
	if fault != nil {
		t.Fatal(fault)
	}
	if err := c.only("ids", "delay", strings.Repeat("x", 1000)); err != nil {
		t.Error(err)
	}
	if err := c.only("stream", "ids"); err == nil || !strings.Contains(err.Detail, `"delay" is not a field of ack`) {
		t.Errorf("delay is answered %v", err)
	}
	if err := c.only("ids", "delay"); err == nil || len(err.Detail) > 300 {
		t.Errorf("a long name is answered with %d bytes", len(err.Detail))
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ack","stream":"orders","ids":["1763650000000-0"],"ref":1}`, `{"type":"nack","ids":[{"id":"1-0","attempt":2}],"delay":"5s"}`,
		`{"type":"ack","ids":[]}`, `{}`, `[]`, `{"type":1,"ref":null,"ids":{},"delay":[]}`, "\xff", " { } ", `{"ids":[{"id":{},"x":[]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		c, fault := parseCommand(frame)
		var object map[string]json.RawMessage
		isObject := hub.CheckJSON(frame) == nil && json.Unmarshal(frame, &object) == nil && object != nil
		switch {
		case (c != nil) != isObject:
			t.Fatalf("%q is a command: %t, want %t", frame, c != nil, isObject)
		case c == nil && fault == nil:
			t.Fatalf("%q is neither a command nor a fault", frame)
		case fault != nil && (fault.Code.Status() != 400 && fault.Code.Status() != 413 || fault.Detail == ""):
			t.Fatalf("%q is answered %v", frame, fault)
		case fault == nil && c.kind == "" && string(object["type"]) != `""`:
			t.Fatalf("%q has no type", frame)
		}
		if c == nil {
			return
		}
		if fault == nil {
			fault = hub.Errorf(hub.CodeInternal, "x")
		}
		// Whatever came, the answer is a frame.
		var answer struct {
			Type, Code string
			Ref        json.RawMessage
		}
		if err := json.Unmarshal(errorFrame(c.ref, fault), &answer); err != nil || answer.Type != "error" || answer.Code != string(fault.Code) {
			t.Fatalf("%q is answered %s (%v)", frame, errorFrame(c.ref, fault), err)
		}
		if string(answer.Ref) != string(c.ref) || len(c.ref) > 256 {
			t.Fatalf("%q is answered under %s", frame, answer.Ref)
		}
		for _, r := range c.receipts {
			if r.Attempt < 0 {
				t.Fatalf("%q counts for attempt %d", frame, r.Attempt)
			}
		}
	})
}
