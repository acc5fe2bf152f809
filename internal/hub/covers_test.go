package hub_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"eventhub/internal/hub"
)

func TestCoversKnowsTheUsualWays(t *testing.T) {
	t.Parallel()
	words := strings.Fields
	for _, c := range []struct {
		imposed, patterns string
		covered           bool
	}{
		{"", "", true},
		{"", "eu.**", true},
		{"**", "", true},
		{"**", "** re:.* eu.de ?x*", true},
		{"eu.**", "", false},
		{"eu.**", "**", false},
		{"eu.**", "eu.** eu.de eu.* eu.de.** eu.? eu.*.x", true},
		{"eu.**", "eu.** us.de", false},
		{"eu.**", "eu", false},
		{"eu.**", "eu*", false},
		{"eu.**", "e?.de", false},
		{"eu.** us.**", "us.de eu.fr", true},
		{"eu.*", "eu.de eu.d* eu.?? eu.*e*", true},
		{"eu.*", "eu.**", false},
		{"eu.*", "eu.de.fr", false},
		{"eu.*", "eu.d*.fr", false},
		{"eu.*.x", "eu.de.x eu.*.x", true},
		{"eu.*.x", "eu.d*.x", false}, // it is, and would take more to be known
		{"re:eu[.].*", "eu.de", true},
		{"re:eu[.].*", "re:eu[.].*", true},
		{"re:eu[.].*", "re:eu[.]de", false},
		{"eu.**", "re:eu[.]de", false},
		{"eu.de", "eu.de", true},
		{"eu.de", "eu.*", false},
		{"re:(", "eu.de", false},
	} {
		if covered := hub.Covers(words(c.imposed), words(c.patterns)); covered != c.covered {
			t.Errorf("%q cover %q: %t, want %t", c.imposed, c.patterns, covered, c.covered)
		}
	}
}

func FuzzCovers(f *testing.F) {
	for _, seed := range [][3]string{
		{"eu.**", "eu.*.x", "eu.de.x"}, {"eu.*", "eu.d?", "eu.de"}, {"re:a.*", "ab", "ab"}, {"*", "a*", "a"}, {"**", "re:x", ""}, {"a?*", "ab", "ab"}, {"a*", "a***", "a."},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, imposed, pattern, topic string) {
		if hub.CheckPattern(imposed) != nil || hub.CheckPattern(pattern) != nil {
			return
		}
		if hub.Covers([]string{imposed}, []string{pattern}) && filter(t, pattern).Match(topic, "") && !filter(t, imposed).Match(topic, "") {
			t.Fatalf("%q shows %q, which %q hides", pattern, topic, imposed)
		}
	})
}

// TestWhatIsCoveredShowsNothingThatTheImposedHide is about patterns and topics of few
// letters, so that they meet.
func TestWhatIsCoveredShowsNothingThatTheImposedHide(t *testing.T) {
	t.Parallel()
	pattern := rapid.OneOf(
		rapid.StringMatching(`[ab.*?]{1,6}`),
		rapid.StringMatching(`(a|b|ab)[.]\*{1,3}`),
		rapid.SampledFrom([]string{"**", "***", "*", "re:a.*", "re:", "re:a|b", "re:.*", `re:\Qa.`, "é*"}),
	)
	topic := rapid.OneOf(rapid.StringMatching(`[ab.*?]{0,8}`), rapid.String(), rapid.SampledFrom([]string{"a\n", "a\xff", "re:", "é."}))
	covered := 0
	rapid.Check(t, func(r *rapid.T) {
		imposed := rapid.SliceOfN(pattern, 0, 3).Draw(r, "imposed")
		patterns := rapid.SliceOfN(pattern, 0, 3).Draw(r, "patterns")
		if !hub.Covers(imposed, patterns) {
			return
		}
		covered++
		bound, err := hub.NewFilter(imposed, nil)
		if err != nil {
			r.Fatal(err)
		}
		filter, err := hub.NewFilter(patterns, nil)
		if err != nil {
			r.Fatal(err)
		}
		for _, text := range rapid.SliceOfN(topic, 20, 20).Draw(r, "topics") {
			if filter.Match(text, "") && !bound.Match(text, "") {
				r.Fatalf("%q show %q, which %q hide", patterns, text, imposed)
			}
		}
	})
	if covered == 0 {
		t.Error("no patterns were covered")
	}
}
