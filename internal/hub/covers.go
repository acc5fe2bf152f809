package hub

import (
	"slices"
	"strings"
)

// Covers says whether an event that one of the patterns matches is certainly matched by
// one of the imposed, too: then who filters by patterns sees nothing that the imposed
// would hide. No patterns match everything, as everywhere; so no imposed cover all.
//
// It knows three ways, each pattern by one imposed: they are equal; the imposed is a plain
// text with stars at most at its end, and the pattern begins with that text (and goes on
// without dots where it is one star); or the pattern is a plain text that the imposed
// matches. Where it says no, the patterns may be covered all the same. The same goes for
// patterns that CheckPattern refuses.
func Covers(imposed, patterns []string) bool {
	if len(imposed) == 0 {
		return true
	}
	if len(patterns) == 0 {
		patterns = []string{"**"}
	}
	bounds := make([]matcher, len(imposed))
	for i, pattern := range imposed {
		var err error
		if bounds[i], err = compile(pattern); err != nil {
			return false
		}
	}
	for _, pattern := range patterns {
		if slices.Contains(imposed, pattern) {
			continue
		}
		if !slices.ContainsFunc(bounds, func(m matcher) bool { return m.covers(pattern) }) {
			return false
		}
	}
	return true
}

// covers says whether m certainly matches whatever the pattern does.
func (m *matcher) covers(pattern string) bool {
	switch {
	case m.all():
		return true
	case strings.HasPrefix(pattern, regexpPrefix):
		return false
	case pattern == "": // it is no pattern
		return false
	case !strings.ContainsAny(pattern, "*?"):
		return m.match(pattern)
	case m.re != nil:
		return false
	}
	rest, ok := strings.CutPrefix(pattern, m.text) // which has neither * nor ?
	switch {
	case !ok:
		return false
	case m.tail == tailSegment:
		return !strings.Contains(rest, ".") && !strings.Contains(rest, "**")
	}
	return m.tail == tailAny
}

// all says whether m matches every text, as ** does. Only such a pattern matches what an
// event does not have.
func (m *matcher) all() bool { return m.re == nil && m.text == "" && m.tail == tailAny }
