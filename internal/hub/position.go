package hub

import (
	"strings"
	"time"
)

// Position is where reading a stream starts.
type Position struct {
	kind  positionKind
	after ID
}

type positionKind uint8

const (
	fromLatest positionKind = iota
	fromOldest
	fromAfter
)

// The fixed positions. The zero Position is Latest.
var (
	Latest = Position{kind: fromLatest}
	Oldest = Position{kind: fromOldest}
)

// maxPosition bounds a position's text, which is stored: neither an id nor a time
// is longer, but for zeros that mean nothing.
const maxPosition = 64

// ParsePosition reads latest | oldest | after:<id> | at:<RFC 3339 time>.
func ParsePosition(s string) (Position, *Error) {
	switch {
	case len(s) > maxPosition:
	case s == "latest":
		return Latest, nil
	case s == "oldest":
		return Oldest, nil
	case strings.HasPrefix(s, "after:"):
		id, err := ParseID(s[len("after:"):])
		if err != nil {
			return Position{}, &Error{Code: CodeInvalidRequest, Detail: err.Error()}
		}
		return Position{kind: fromAfter, after: id}, nil
	case strings.HasPrefix(s, "at:"):
		at, err := time.Parse(time.RFC3339Nano, s[len("at:"):])
		if err != nil || at.UnixMilli() < 0 {
			return Position{}, Errorf(CodeInvalidRequest, "%q is not an RFC 3339 time after 1970, such as 2006-01-02T15:04:05.000Z", clip(s[len("at:"):]))
		}
		return Position{kind: fromAfter, after: atOrAfter(at).Before()}, nil
	}
	return Position{}, Errorf(CodeInvalidRequest, "%q is no start position: want latest, oldest, after:<id> or at:<RFC 3339 time>", clip(s))
}

// atOrAfter is the first id an event published at or after t can have: ids
// count whole milliseconds, so a fraction rounds up.
func atOrAfter(t time.Time) ID {
	ms := uint64(t.UnixMilli())
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ID{MS: ms}
}

// After is the id that everything wanted comes after; ok is false for Latest,
// where only Redis knows it.
func (p Position) After() (id ID, ok bool) {
	return p.after, p.kind != fromLatest
}
