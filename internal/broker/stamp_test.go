package broker

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestStampIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, want := range []stamp{
		{hub: "hub-1"},
		{hub: "hub-1", epoch: 1, n: 2, age: 3 * time.Millisecond},
		{hub: "h", epoch: math.MaxUint64, n: mostNumber, age: 100 * 365 * 24 * time.Hour},
	} {
		message := append(stamp{hub: want.hub}.append(nil), `{"id":"\n b"}`...)
		want.set(message)
		got, json, ok := parseStamp(string(message))
		if !ok || got != want || json != `{"id":"\n b"}` {
			t.Errorf("%+v is read as %+v %s (%v)", want, got, json, ok)
		}
		got, json, ok = parseStamp(string(want.append(nil)))
		if !ok || got != want || json != "" {
			t.Errorf("the mark %+v is read as %+v %s (%v)", want, got, json, ok)
		}
	}
}

func TestWhatNoHubHasSentHasNoStamp(t *testing.T) {
	t.Parallel()
	line := string(stamp{hub: "hub-1", epoch: 1, n: 1}.append(nil))
	for _, payload := range []string{
		"", "{}", "hub2", "hub2 ", "hub2 \n", "hub2 a b c d\n{}", strings.TrimSuffix(line, "\n"), "x" + line,
		line + "{}", line + `{"id":"1"}` + "\n", line + "{\"id\":\"1\"\r}", line + `not JSON`,
		string(stamp{hub: "hub-1", epoch: 1, n: mostNumber + 1}.append(nil)),
		strings.Replace(line, "hub-1", "", 1), strings.Replace(line, "0", "g", 1), strings.Replace(line, " 0", "00", 2), "hub1" + line[4:],
	} {
		if s, _, ok := parseStamp(payload); ok {
			t.Errorf("%q is read as %+v", payload, s)
		}
	}
}
