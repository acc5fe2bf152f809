package ws

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"eventhub/internal/hub"
)

func TestFramesAreJSON(t *testing.T) {
	t.Parallel()
	odd := "a\"b\\c\n\xff"
	sess := &session{id: "0199", role: roleSink}
	for want, frame := range map[string][]byte{
		`{"type":"ready","session":"0199","role":"sink","streams":["a","b"],"prefetch":100}`: readyFrame(sess, func(dst []byte) []byte {
			return appendInt(appendStrings(dst, "streams", []string{"a", "b"}), "prefetch", 100)
		}),
		`{"type":"ready","session":"0199","role":"sink","ignored":[]}`: readyFrame(sess, func(dst []byte) []byte {
			return appendStrings(dst, "ignored", nil)
		}),
		`{"type":"error","ref":7,"code":"conflict","detail":"a\"b\\c\n` + "\ufffd" + `"}`: errorFrame([]byte("7"), hub.Errorf(hub.CodeConflict, "%s", odd)),
		`{"type":"error","code":"conflict","detail":"no"}`:                                errorFrame(nil, hub.Errorf(hub.CodeConflict, "no")),
		`{"type":"drain","reconnect_after":"1.4s"}`:                                       drainFrame(1400*time.Millisecond + 300*time.Microsecond),
		`{"type":"gap","channel":"room","reason":"redis_reconnect"}`:                      gapFrame(hub.Gap{Channel: "room", Reason: hub.GapReconnect}),
		`{"type":"gap","stream":"orders","reason":"reset"}`:                               gapFrame(hub.Gap{Stream: "orders", Reason: hub.GapReset}),
		`{"type":"gap","stream":"orders","from":"1-0","to":"4-2","events":120,"reason":"trimmed"}`: gapFrame(hub.Gap{
			Stream: "orders", From: hub.ID{MS: 1}, To: hub.ID{MS: 4, Seq: 2}, Events: 120, Reason: hub.GapTrimmed,
		}),
		`{"acked":["1-0","2-3"],"not_pending":[]}`: append(append([]byte{'{'},
			appendIDs(appendIDs(nil, "acked", []hub.ID{{MS: 1}, {MS: 2, Seq: 3}}), "not_pending", nil)[1:]...), '}'),
	} {
		if string(frame) != want || !json.Valid(frame) || bytes.ContainsAny(frame, "\n\r") {
			t.Errorf("the frame is\n%s, want\n%s", frame, want)
		}
	}
}

func TestCloseReasonFitsAControlFrame(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{"": "", "abc": "abc", "abcd": "abcd", "abcde": "abcd", "abä": "abä", "abcä": "abc", "ab😀": "ab"} {
		if got := truncate(s, 4); got != want {
			t.Errorf("%q is cut to %q, want %q", s, got, want)
		}
	}
	if got := truncate(strings.Repeat("ä", 100), 123); len(got) != 122 || !utf8.ValidString(got) {
		t.Errorf("it is cut to %d bytes", len(got))
	}
}
