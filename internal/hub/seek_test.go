package hub_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestSeekIsRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"latest", "oldest", "after:1763650000000-5", "at:2025-11-20T14:46:40.000Z"} {
		stream, to, got, err := hub.DecodeSeek(fmt.Appendf(nil, `{"to":%q,"stream":"orders"}`, text))
		want, _ := hub.ParsePosition(text)
		if err != nil || stream != "orders" || !reflect.DeepEqual(to, want) || got != text {
			t.Errorf("%s is read as %v, %q of %q (%v)", text, to, got, stream, err)
		}
	}
}

func TestEveryFaultOfASeekIsListed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]fault{
		`{}`:                               {{"/stream", "missing"}, {"/to", "missing"}},
		`{"stream":"a b","to":"now"}`:      {{"/stream", "not a stream name"}, {"/to", `"now" is no start position`}},
		`{"stream":1,"to":1,"from":"x"}`:   {{"/stream", "not a string"}, {"/to", "not a string"}, {"/from", "not a known field (stream, to)"}},
		`{"stream":"a","to":"after:5"}`:    {{"/to", "no event id"}},
		`{"stream":"a","to":"","to":null}`: {{"/to", `"" is no start position`}, {"/to", "twice"}, {"/to", "not a string"}},
		`{"stream":"a","to":"after:` + strings.Repeat("0", 60) + `-0"}`: {{"/to", "no event id"}},
		`"latest"`: nil,
		``:         nil,
	} {
		stream, to, text, err := hub.DecodeSeek([]byte(body))
		checkFaults(t, err, hub.CodeInvalidRequest, want)
		if stream != "" || !reflect.DeepEqual(to, hub.Latest) || text != "" {
			t.Errorf("%s is read as %v, %q of %q all the same", body, to, text, stream)
		}
	}
}

func FuzzDecodeSeek(f *testing.F) {
	for _, seed := range []string{`{"stream":"s","to":"oldest"}`, `{"stream":"s","to":"at:2025-11-20T14:46:40.000Z"}`, `{"to":"after:1-0"}`, "[]", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		stream, to, text, err := hub.DecodeSeek(body)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 || e.Detail == "" {
				t.Fatalf("%q is answered %v", body, err)
			}
			return
		}
		again := fmt.Appendf(nil, `{"stream":%q,"to":%q}`, stream, text)
		if s, p, x, err := hub.DecodeSeek(again); err != nil || s != stream || !reflect.DeepEqual(p, to) || x != text {
			t.Fatalf("%q is read as %q, which is read as %v, %q of %q (%v)", body, again, p, x, s, err)
		}
	})
}
