package hub_test

import (
	"fmt"
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestPullIsRead(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		most int
		wait time.Duration
	}{
		"":                             {100, 0},
		" \n":                          {100, 0},
		"{}":                           {100, 0},
		`{"max":1}`:                    {1, 0},
		`{"max":10000,"wait":"1m"}`:    {10_000, time.Minute},
		` {"wait":"20s","max" : 5 } `:  {5, 20 * time.Second},
		`{"wait":"0"}`:                 {100, 0},
		`{"wait":"1.0009s","max":100}`: {100, time.Second},
	} {
		most, wait, err := hub.DecodePull([]byte(body))
		if err != nil || most != want.most || wait != want.wait {
			t.Errorf("%q: max %d, wait %s (%v), want %+v", body, most, wait, err, want)
		}
	}
}

func TestEveryFaultOfAPullIsListed(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]fault{
		`{"max":0,"wait":"61s"}`:        {{"/max", `"0" is not a whole number from 1 to 10000`}, {"/wait", `"61s" is not a duration from 0s to 1m`}},
		`{"max":10001,"wait":20}`:       {{"/max", "from 1 to 10000"}, {"/wait", "not a string"}},
		`{"max":"5","Max":5}`:           {{"/max", "not a whole number"}, {"/Max", "not a known field (max, wait)"}},
		`{"max":5,"max":6,"wait":null}`: {{"/max", "twice"}, {"/wait", "not a string"}},
		`{"max":1e2,"wait":"-1s"}`:      {{"/max", "not a whole number"}, {"/wait", "from 0s"}},
		`[]`:                            nil,
		`{`:                             nil,
	} {
		_, _, err := hub.DecodePull([]byte(body))
		checkFaults(t, err, hub.CodeInvalidRequest, want)
	}
}

func FuzzDecodePull(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"max":100,"wait":"20s"}`, `{"max":-1}`, `{"wait":1}`, "[]", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		most, wait, err := hub.DecodePull(body)
		if err != nil {
			if e := hub.AsError(err); e.Code.Status() != 400 || e.Detail == "" {
				t.Fatalf("%q is answered %v", body, err)
			}
			return
		}
		again := fmt.Appendf(nil, `{"max":%d,"wait":%q}`, most, hub.FormatDuration(wait))
		if m, w, err := hub.DecodePull(again); err != nil || m != most || w != wait || m < 1 || m > hub.MaxPrefetch {
			t.Fatalf("%q is read as %d and %s, which is read as %d and %s (%v)", body, most, wait, m, w, err)
		}
	})
}
