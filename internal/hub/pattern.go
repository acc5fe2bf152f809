package hub

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// regexpPrefix begins a pattern that is a regular expression.
const regexpPrefix = "re:"

// maxRegexpCost bounds the states of a regular expression, since the time that a
// match takes grows with them, and a sink may have many: x{1000} has 1000, what
// fits into a label without repetition fewer than these.
const maxRegexpCost = 500

// Filter is the compiled patterns of a sink. It is safe for concurrent use.
type Filter struct {
	topics, types []matcher // none: everything
}

// NewFilter compiles patterns that were checked by CheckPattern; otherwise it may
// fail. No patterns match everything.
func NewFilter(topics, types []string) (*Filter, error) {
	var f Filter
	var err error
	if f.topics, err = compileAll(topics); err != nil {
		return nil, err
	}
	if f.types, err = compileAll(types); err != nil {
		return nil, err
	}
	return &f, nil
}

// Match reports whether any pattern matches the topic, and any the type. What an
// event does not have is "", which only the pattern ** matches. A nil Filter
// matches everything.
func (f *Filter) Match(topic, typ string) bool {
	return f == nil || matchAny(f.topics, topic) && matchAny(f.types, typ)
}

func matchAny(matchers []matcher, s string) bool {
	if len(matchers) == 0 {
		return true
	}
	if s == "" {
		return false // compileAll leaves no ** behind
	}
	for i := range matchers {
		if matchers[i].match(s) {
			return true
		}
	}
	return false
}

// CheckPattern reports what is wrong with a pattern.
func CheckPattern(p string) error {
	if p == "" {
		return errors.New("is empty: want a pattern such as eu.**, or none for everything")
	}
	if reason := checkLabel(p); reason != "" {
		return errors.New(reason)
	}
	if expr, ok := strings.CutPrefix(p, regexpPrefix); ok {
		parsed, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			return fmt.Errorf("%q is not a regular expression (RE2): %w", clip(expr), err)
		}
		if cost(parsed) > maxRegexpCost {
			return fmt.Errorf("%q repeats too much: it has %d states, at most %d are allowed", clip(expr), cost(parsed), maxRegexpCost)
		}
	}
	return nil
}

// classRunes are as much work and memory as a state: a class of characters such as \pL
// has hundreds of ranges, of two each, and a text of 256 bytes has room for 80 such.
const classRunes = 8

// cost is about the number of states of a regular expression's automaton.
// syntax.Parse bounds it to some millions.
func cost(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	if re.Op == syntax.OpCharClass {
		n = max(1, len(re.Rune)/classRunes)
	}
	for _, sub := range re.Sub {
		n += cost(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// matcher is one pattern. Most are a plain text that perhaps ends in stars, and
// need no regular expression.
type matcher struct {
	text string
	tail tail
	re   *regexp.Regexp // in place of text
}

// tail is what may follow a matcher's text: as many stars, or more.
type tail uint8

const (
	tailNone    tail = iota
	tailSegment      // any run without a dot
	tailAny          // any run
)

func (m *matcher) match(s string) bool {
	if m.re != nil {
		return m.re.MatchString(s)
	}
	rest, ok := strings.CutPrefix(s, m.text)
	if !ok {
		return false
	}
	switch m.tail {
	case tailSegment:
		return strings.IndexByte(rest, '.') < 0
	case tailAny:
		return true
	}
	return rest == ""
}

// compileAll is empty when one of the patterns is **, as it matches everything.
func compileAll(patterns []string) ([]matcher, error) {
	matchers := make([]matcher, 0, len(patterns))
	for _, p := range patterns {
		m, err := compile(p)
		if err != nil {
			return nil, fmt.Errorf("compiling the pattern %q: %w", clip(p), err)
		}
		if m.all() {
			return nil, nil
		}
		matchers = append(matchers, m)
	}
	return matchers, nil
}

func compile(p string) (matcher, error) {
	if expr, ok := strings.CutPrefix(p, regexpPrefix); ok {
		return compileRegexp(expr)
	}
	text := strings.TrimRight(p, "*")
	if strings.ContainsAny(text, "*?") {
		return compileGlob(p)
	}
	return matcher{text: text, tail: tail(min(len(p)-len(text), int(tailAny)))}, nil
}

// compileRegexp anchors an expression. It is written anew from what was parsed,
// since it may have a \Q without an \E, which would quote what follows.
func compileRegexp(expr string) (matcher, error) {
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return matcher{}, err
	}
	re, err := regexp.Compile(`\A(?:` + parsed.String() + `)\z`)
	return matcher{re: re}, err
}

// compileGlob turns a glob into an expression. A library such as gobwas/glob
// would read {}, [] and \ as syntax, which are plain characters here.
func compileGlob(p string) (matcher, error) {
	var expr strings.Builder
	expr.WriteString(`\A`)
	for len(p) > 0 {
		if p[0] == '?' {
			expr.WriteString(`[^.]`)
			p = p[1:]
			continue
		}
		rest := strings.TrimLeft(p, "*")
		switch stars := len(p) - len(rest); {
		case stars > 1:
			expr.WriteString(`(?s:.*)`)
		case stars == 1:
			expr.WriteString(`[^.]*`)
		}
		end := strings.IndexAny(rest, "*?")
		if end < 0 {
			end = len(rest)
		}
		expr.WriteString(regexp.QuoteMeta(rest[:end]))
		p = rest[end:]
	}
	re, err := regexp.Compile(expr.String() + `\z`)
	return matcher{re: re}, err
}
