package ws

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestCommandsAreRead(t *testing.T) {
	t.Parallel()
	for frame, want := range map[string]command{
		`{"type":"ack"}`: {kind: "ack"},
		" \r\n\t{ \"ids\" : [ \"1-0\" ] , \"type\" : \"ack\" } ":  {kind: "ack", fields: map[string][]byte{"ids": []byte(`[ "1-0" ]`)}},
		`{"type":"ack","n":1,"ref":"a\"b"}`:                       {kind: "ack", ref: []byte(`"a\"b"`), fields: map[string][]byte{"n": []byte("1")}},
		`{"type":"ack","ref":-1.50}`:                              {kind: "ack", ref: []byte(`-1.50`)},
		`{"type":"no such"}`:                                      {kind: "no such"},
		`{"\u0074ype":"\u0061ck","\u0069ds":["1\u002d0"],"x":""}`: {kind: "ack", fields: map[string][]byte{"ids": []byte(`["1\u002d0"]`), "x": []byte(`""`)}},
	} {
		got, fault := parseCommand([]byte(frame))
		if fault != nil {
			t.Errorf("%s: %v", frame, fault)
			continue
		}
		if got.kind != want.kind || !bytes.Equal(got.ref, want.ref) || !maps.EqualFunc(got.fields, want.fields, bytes.Equal) {
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

func FuzzParseCommand(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ack","stream":"orders","ids":["1763650000000-0"],"ref":1}`, `{"type":"nack","ids":[{"id":"1-0","attempt":2}],"delay":"5s"}`,
		`{"type":"nack","ids":["1-0"],"reason":"x","dead_letter":true}`, `{"type":"add_stream","stream":"s","from":"after:1-1"}`, `{"type":"credit","n":1,"up_to":"1-0"}`,
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
		f := c.read(slices.Collect(maps.Keys(c.fields))...)
		attempts := len(frame)%2 == 0
		receipts := f.receipts(attempts)
		f.upTo()
		f.delay()
		f.stream()
		f.reason()
		f.flag("dead_letter")
		f.number("n", 1, 10)
		f.position("from")
		if f.fault != nil && f.fault.Code.Status() != 400 && f.fault.Code.Status() != 413 {
			t.Fatalf("%q is answered %v", frame, f.fault)
		}
		for _, r := range receipts {
			if r.Attempt < 0 || r.Attempt > 0 && !attempts {
				t.Fatalf("%q counts for attempt %d", frame, r.Attempt)
			}
		}
	})
}
