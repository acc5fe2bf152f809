package hub_test

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"testing"
	"unicode/utf8"

	"eventhub/internal/hub"
)

// filter has patterns for topics only.
func filter(t *testing.T, patterns ...string) *hub.Filter {
	t.Helper()
	f, err := hub.NewFilter(patterns, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPatternMatchesTheWholeTopic(t *testing.T) {
	t.Parallel()
	for pattern, tc := range map[string]struct{ matches, others string }{
		"eu.de":       {"eu.de", "eu eu.de. eu.de.x .eu.de eu.dE eu-de"},
		"eu.*":        {"eu.de eu. eu.é😀", "eu eu.de.x xeu.de"},
		"eu.**":       {"eu.de eu. eu.de.x eu...", "eu xeu.de us.eu.de"},
		"eu.***":      {"eu.de eu. eu.de.x", "eu us.de"},
		"eu*":         {"eu europe", "eu.de"},
		"*":           {"eu *", "eu.de ."},
		"**":          {"eu eu.de . ..", ""},
		"****":        {"eu eu.de", ""},
		"*.de":        {"eu.de .de", "de eu.us.de eu.de.x"},
		"**.de":       {"eu.de .de eu.us.de", "de eu.de.x"},
		"eu.*.x":      {"eu.de.x eu..x", "eu.x eu.a.b.x"},
		"eu.**.x":     {"eu.de.x eu..x eu.a.b.x eu.x.x", "eu.x"},
		"**a*b":       {"ab a.ab x.axb", "a.b ab."},
		"*a**":        {"a xa.b", "x.a"},
		"e?.d?":       {"eu.de eé.d😀", "e.de e..de eu.d eu.d. eu.dex"},
		"?*":          {"a ab", ". .a"},
		"a[b]{c,d}\\": {"a[b]{c,d}\\", "ab ac"},
		"a+(b)|c^$":   {"a+(b)|c^$", "ab c aab"},
		"re":          {"re", "re:"},
		"RE:a":        {"RE:a", "a"},
		"re:a|b.c":    {"a b.c bxc", "ab a.c ac xa"},
		"re:^a$":      {"a", "aa"},
		"re:(?i)EU.+": {"eu.de EU1", "eu xeu.de"},
		`re:\Qa.b`:    {"a.b", "axb a.b)"},
		`re:(?s)a.c`:  {"abc", "ac"},
		"re:":         {"", "a"},
		`re:[^\x00]*`: {"a a.b", ""},
	} {
		f := filter(t, pattern)
		for _, topic := range strings.Fields(tc.matches) {
			if !f.Match(topic, "") {
				t.Errorf("%s does not match %q", pattern, topic)
			}
		}
		for _, topic := range strings.Fields(tc.others) {
			if f.Match(topic, "") {
				t.Errorf("%s matches %q", pattern, topic)
			}
		}
		if err := hub.CheckPattern(pattern); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func TestEventWithoutATopicMatchesOnlyEverything(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{"**": true, "***": true, "*": false, "re:.*": false, "re:": false, "?": false, "***a": false} {
		if got := filter(t, pattern).Match("", "order"); got != want {
			t.Errorf("%s: %t, want %t", pattern, got, want)
		}
	}
	if !filter(t).Match("", "") || !(*hub.Filter)(nil).Match("", "order") {
		t.Error("no patterns leave something out")
	}
}

func TestFilterWantsATopicAndAType(t *testing.T) {
	t.Parallel()
	f, err := hub.NewFilter([]string{"eu.**", "us.*"}, []string{"order.*", "re:refund|return"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		topic, typ string
		want       bool
	}{
		{"eu.de", "order.created", true},
		{"us.ny", "refund", true},
		{"us.ny.x", "refund", false},
		{"eu.de", "payment", false},
		{"eu.de", "", false},
		{"", "refund", false},
	} {
		if got := f.Match(tc.topic, tc.typ); got != tc.want {
			t.Errorf("%s of %s: %t, want %t", tc.typ, tc.topic, got, tc.want)
		}
	}
}

func TestWhatIsNoPatternIsRefused(t *testing.T) {
	t.Parallel()
	for pattern, says := range map[string]string{
		"":                                "is empty",
		"a\nb":                            "U+000A",
		"a\xff":                           "UTF-8",
		strings.Repeat("x", 257):          "257 bytes long, at most 256",
		"re:(":                            "missing closing )",
		"re:a)|(b":                        "unexpected )",
		`re:\`:                            "trailing backslash",
		"re:(?=a)":                        "RE2",
		"re:a{1001}":                      "invalid repeat count",
		"re:(?:a.{10}b{20}c){30}":         "states, at most 500",
		`re:\pL\pL\pL\pL`:                 "states, at most 500",
		"re:" + strings.Repeat(`\PL`, 80): "states, at most 500",
		"re:" + strings.Repeat("(", 200) + strings.Repeat("(", 53): "missing closing )",
	} {
		if err := hub.CheckPattern(pattern); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q is answered %v, want %q", pattern, err, says)
		}
	}
	for _, n := range []int{1, 2, 10, 253} { // what repeats nothing is never too costly
		for _, part := range []string{".", "a", "a*", ".?", "()", "(a)", "(.*)", "a|", "[^a]+", `\w`} {
			pattern := "re:" + strings.Repeat(part, min(n, 253/len(part)))
			if err := hub.CheckPattern(pattern); err != nil {
				t.Errorf("%s: %v", pattern, err)
			}
		}
	}
}

// TestAcceptedExpressionsAreSmallMachines counts what a match of n bytes goes through at
// most once for each of them (RE2's bound), and what its memory grows with.
func TestAcceptedExpressionsAreSmallMachines(t *testing.T) {
	t.Parallel()
	accepted := 0
	for _, part := range []string{
		`\pL`, `\PL`, `\w`, `.`, `[^.]`, `(?i:\pL)`, `a?`, `(a?)`, `(x+x+)+`, `(|a)`, `(a*)*`, `x{1,4}`, `((x{0,3}){0,3})`,
		`(?i:[a-zа-я])`, `[^\x00-\x{10ffff}]`, `a|`, `\b`, `()`,
	} {
		for _, pattern := range []string{
			strings.Repeat(part, 1), strings.Repeat(part, 250/len(part)),
			`(` + part + `){40}`, `((` + part + `){7}){7}`, `(?:` + part + `){249}`, `((` + part + `){20}){20}`,
		} {
			if hub.CheckPattern("re:"+pattern) == nil {
				accepted++
				small(t, pattern)
			}
		}
	}
	if accepted < 40 {
		t.Errorf("only %d were accepted", accepted)
	}
}

func small(t *testing.T, expr string) {
	t.Helper()
	parsed, err := syntax.Parse(`\A(?:`+expr+`)\z`, syntax.Perl)
	if err != nil {
		return // it has a \Q without an \E
	}
	machine, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		t.Fatal(err)
	}
	runes := 0
	for _, state := range machine.Inst {
		runes += len(state.Rune)
	}
	if len(machine.Inst) > 1100 || runes > 8000 {
		t.Errorf("%s becomes %d states with %d runes, want at most 1100 and 8000", expr, len(machine.Inst), runes)
	}
}

func TestFilterOfUncheckedPatternsFails(t *testing.T) {
	t.Parallel()
	if f, err := hub.NewFilter(nil, []string{"a", "re:("}); err == nil || f != nil || !strings.Contains(err.Error(), "re:(") {
		t.Errorf("it is %v (%v)", f, err)
	}
}

// naive matches as the contract says it, one character at a time.
func naive(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	rest := strings.TrimLeft(pattern, "*")
	stars := len(pattern) - len(rest)
	if stars > 0 {
		if naive(rest, s) {
			return true
		}
		_, size := utf8.DecodeRuneInString(s)
		return s != "" && (stars > 1 || s[0] != '.') && naive(pattern, s[size:])
	}
	if s == "" {
		return false
	}
	if pattern[0] == '?' {
		_, size := utf8.DecodeRuneInString(s)
		return s[0] != '.' && naive(pattern[1:], s[size:])
	}
	return pattern[0] == s[0] && naive(pattern[1:], s[1:])
}

func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"eu.**", "eu.de"},
		{"eu.*", "eu.de.x"},
		{"**a*b?c", "a.xab.c"},
		{"*.*.x", "a.b.x"},
		{"??", "é😀"},
		{"***", ""},
		{"[a]\\", "[a]\\"},
		{"re:a|b", "b"},
		{`re:\Qa`, "a"},
		{"re:(?i)x+", "XxX"},
		{"re:^.$", "\n"},
		{"?", "\xff"},
		{"*", "\xff\xfe."},
		{"\ufffd", "\xff"},
		{"a*\ufffd?", "a\xffb"},
		{`re:\bx\b`, "x"},
		{"re:a*?", "aa"},
		{`re:(?m)a$`, "a\na"},
		{"re:(?U)a+", "aaa"},
		{"", ""},
		{"re:", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(s) > 40 || strings.Count(pattern, "*") > 4 {
			return // naive takes too long
		}
		if hub.CheckPattern(pattern) != nil {
			_, _ = hub.NewFilter([]string{pattern}, []string{pattern}) // does not panic
			return
		}
		got := filter(t, pattern).Match(s, "")
		want := s != "" || strings.Trim(pattern, "*") == "" && len(pattern) > 1
		if expr, ok := strings.CutPrefix(pattern, "re:"); ok {
			small(t, expr)
			re := regexp.MustCompile(expr)
			re.Longest() // so that the first match is all of s, if one is
			at := re.FindStringIndex(s)
			want = want && at != nil && at[0] == 0 && at[1] == len(s)
		} else {
			want = want && naive(pattern, s)
		}
		if got != want && (utf8.ValidString(s) || !strings.Contains(pattern, "\ufffd")) { // to regexp, U+FFFD is what is invalid
			t.Fatalf("%q matches %q: %t, want %t", pattern, s, got, want)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for _, pattern := range []string{"order.created", "order.**", "order.*", "**", "*.created", "**.created", "re:order\\.(created|paid)"} {
		b.Run(fmt.Sprintf("%.20s", pattern), func(b *testing.B) {
			f, err := hub.NewFilter(nil, []string{pattern})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if !f.Match("eu.de", "order.created") {
					b.Fatal("no match")
				}
			}
		})
	}
}
