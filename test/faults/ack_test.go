package main

import (
	"encoding/json"
	"testing"

	"eventhub/test/faults/history"
)

func TestAnAckIsWhatItsAnswerSays(t *testing.T) {
	for kind, want := range map[string]struct{ done, refused, failed bool }{"ok": {done: true}, "ok of others": {refused: true}, "error": {failed: true}} {
		rec := history.NewRecorder()
		s := &socket{load: &load{rec: rec}, id: rec.Open(work, "0")}
		s.asks.open = map[int]asked{7: ask(rec, s.id, "orders", []string{"1-1"})}
		answer := map[string]frame{"ok": {Type: "ok", Acked: []string{"1-1"}}, "ok of others": {Type: "ok"}, "error": {Type: "error", Code: "unavailable"}}[kind]
		for _, ref := range []string{`"alive"`, "8", "7", "7"} {
			answer.Ref = json.RawMessage(ref)
			s.answered(answer)
		}
		h := rec.History()
		a := h.Acks[0]
		if a.Done != want.done || a.Refused != want.refused || a.Failed > 0 != want.failed || (a.Confirmed > 0) == want.failed || len(s.asks.open) > 0 {
			t.Errorf("%s: %+v", kind, a)
		}
	}
}
