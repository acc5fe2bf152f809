package main

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheWorstResultIsTheExitCode(t *testing.T) {
	ok, bad, none, broken := result{Effect: true}, result{Wrong: []string{"lost"}}, result{}, result{Error: "no"}
	for want, list := range map[int][]result{valid: {ok, ok}, violated: {none, broken, bad, ok}, failed: {none, broken, ok}, noEffect: {ok, none}} {
		if got := sumOf(list).worst(); got != want {
			t.Errorf("%d for %+v, want %d", got, list, want)
		}
	}
	if sumOf(nil).worst() == valid {
		t.Error("no scenario at all is no success")
	}
}

func sumOf(results []result) *summary {
	sum := &summary{codes: map[int]int{}}
	sum.add(results)
	return sum
}

func TestANightIsOfMixes(t *testing.T) {
	some := []*scenario{named(t, "flushall", single), named(t, "mix", single)}
	if got := mixesOf(some); len(got) != 1 || got[0].name != "mix" || len(some) != 2 || some[0].name != "flushall" {
		t.Errorf("of %v the mixes are %v", some, got)
	}
	if got := mixesOf(some[:1]); len(got) != 1 {
		t.Errorf("without a mix it has %v", got)
	}
}

// nightOf runs a night in a bubble. play gives what comes of each round, which takes an hour.
func nightOf(t *testing.T, ctx context.Context, night time.Duration, play func(seed uint64, list []*scenario) []result) (said string, code int, err error) { //nolint:revive // t comes first everywhere
	synctest.Test(t, func(*testing.T) {
		var out strings.Builder
		opts := options{only: regexp.MustCompile("^(mix|flushall)$"), on: regexp.MustCompile(single), seed: 5, night: night}
		code, err = rounds(ctx, opts, &out, func(_ context.Context, list []*scenario, opts options, _ io.Writer) []result {
			time.Sleep(time.Hour)
			return play(opts.seed, list)
		})
		said = out.String()
	})
	return said, code, err
}

func TestANightGoesOnAfterAFailureAndSumsUp(t *testing.T) {
	var lengths []int
	said, code, err := nightOf(t, t.Context(), 12*time.Hour, func(seed uint64, list []*scenario) []result {
		lengths = append(lengths, len(list))
		res := result{Scenario: "mix", Topology: single, Seed: seed, Effect: true}
		switch seed {
		case 7:
			res.Wrong = []string{"lost: an event"}
		case 9:
			res.Effect = false
		case 11:
			res.Error = "no redis-server\nand much more"
		}
		return []result{res}
	})
	if code != violated || err != nil || len(lengths) != 12 || lengths[0] != 1 || lengths[9] != 2 {
		t.Errorf("it ended with %d (%v) after rounds of %v scenarios", code, err, lengths)
	}
	const again = "  again with: go run ./test/faults -run '^mix$' -on single -seed "
	want := "12 scenarios took 12h0m0s, 9 valid, 1 VIOLATED, 1 NO EFFECT, 1 FAILED\n" +
		"VIOLATED  mix on single: lost: an event\n" + again + "7\n" +
		"NO EFFECT mix on single: a fault had no effect\n" + again + "9\n" +
		"FAILED    mix on single: no redis-server\n" + again + "11\n"
	if said != want {
		t.Errorf("it says\n%s\nwant\n%s", said, want)
	}
}

func TestANightInWhichNothingCanBeRunIsGivenUp(t *testing.T) {
	n := 0
	said, code, _ := nightOf(t, t.Context(), 100*time.Hour, func(uint64, []*scenario) []result {
		n++
		if n == 2 {
			return []result{{Error: "no space left"}, {Effect: true}}
		}
		return []result{{Error: "no space left"}}
	})
	if n != 2+vainRounds || code != failed {
		t.Errorf("it ended with %d after %d rounds:\n%s", code, n, said)
	}
}

func TestWhoEndsANightIsToldOfWhatHadEndedBefore(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	said, code, err := nightOf(t, ctx, 8*time.Hour, func(seed uint64, _ []*scenario) []result {
		if seed < 6 {
			return []result{{Effect: true}}
		}
		stop()
		return []result{{Effect: true}, {Wrong: []string{"pending"}, Error: "it was ended after 1s"}, {Error: "it was not begun"}}
	})
	if code != valid || !errors.Is(err, context.Canceled) || !strings.HasPrefix(said, "2 scenarios took 2h0m0s, 2 valid\n") {
		t.Errorf("it ended with %d (%v):\n%s", code, err, said)
	}
}

func TestASummaryIsBounded(t *testing.T) {
	said := sumOf(make([]result, 5*toldLimit)).String(0)
	if lines := strings.Count(said, "\n"); lines != 2*toldLimit+2 || !strings.HasSuffix(said, "and 400 more\n") {
		t.Errorf("of 500 failures it says %d lines:\n%s", lines, said)
	}
}

func TestWhatIsKeptOfFailuresIsBounded(t *testing.T) {
	for args, want := range map[string]int{"-keep=somewhere": keepLimit, "-keep=": 0} {
		opts, err := parseOptions([]string{args}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for range 3 * keepLimit {
			later := opts // each round has its own
			if later.keeps() {
				kept++
			}
		}
		if kept != want {
			t.Errorf("%s: %d failures are kept, want %d", args, kept, want)
		}
	}
}
