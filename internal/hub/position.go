package hub

import (
	"strings"
	"time"
)

// Position is where reading a stream starts.
type Position struct {
	kind   positionKind
	after  ID
	born   string // of the stream that after is an id of; "" where that is not known
	cursor Cursor
}

type positionKind uint8

const (
	fromLatest positionKind = iota
	fromOldest
	fromAfter
	fromAt
	fromCursor
)

// The fixed positions. The zero Position is Latest.
var (
	Latest = Position{kind: fromLatest}
	Oldest = Position{kind: fromOldest}
)

// Bounds of a position's text, which is stored: neither an id nor a time is
// longer than maxPosition, but for zeros that mean nothing, and a cursor of 100
// streams not than maxCursor.
const (
	maxPosition = 64
	maxCursor   = 24 << 10
)

// ParsePosition reads latest | oldest | after:<id or cursor> | at:<RFC 3339 time>.
func ParsePosition(s string) (Position, *Error) {
	switch {
	case len(s) > maxCursor:
	case s == "latest":
		return Latest, nil
	case s == "oldest":
		return Oldest, nil
	case strings.HasPrefix(s, "after:"):
		return parseAfter(s[len("after:"):])
	case strings.HasPrefix(s, "at:") && len(s) <= maxPosition:
		at, err := time.Parse(time.RFC3339Nano, s[len("at:"):])
		if err != nil || at.UnixMilli() < 0 {
			return Position{}, Errorf(CodeInvalidRequest, "%q is not an RFC 3339 time after 1970, such as 2006-01-02T15:04:05.000Z", clip(s[len("at:"):]))
		}
		return Position{kind: fromAt, after: atOrAfter(at).Before()}, nil
	}
	return Position{}, Errorf(CodeInvalidRequest, "%q is no start position: want latest, oldest, after:<id or cursor> or at:<RFC 3339 time>", clip(s))
}

// parseAfter reads an event id or a cursor.
func parseAfter(s string) (Position, *Error) {
	if len("after:")+len(s) <= maxPosition && strings.Contains(s, "-") {
		if id, err := ParseID(s); err == nil {
			return Position{kind: fromAfter, after: id}, nil
		}
	}
	cursor, err := ParseCursor(s)
	if err != nil {
		return Position{}, err
	}
	return Position{kind: fromCursor, cursor: cursor}, nil
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

// In is the position in one stream: where a cursor places it, else the position
// itself.
//
// Errors: CodeInvalidRequest for a stream that the cursor does not have.
func (p Position) In(stream string) (Position, *Error) {
	if p.kind != fromCursor {
		return p, nil
	}
	place, ok := p.cursor.In(stream)
	if !ok {
		return Position{}, Errorf(CodeInvalidRequest, "the cursor has no place in the stream %q: it is of other streams", stream)
	}
	return Position{kind: fromCursor, after: place.After, born: place.Born, cursor: Cursor{place}}, nil
}

// After is the id that everything wanted comes after; ok is false for Latest,
// where only Redis knows it. A cursor has one for each stream: see In.
func (p Position) After() (id ID, ok bool) {
	return p.after, p.kind != fromLatest
}

// Resumes says whether the position is a place up to which the reader has read,
// rather than a wish where to begin; born is the generation of the stream that it
// is a place in, "" where that is not known, as with the id of an event.
func (p Position) Resumes() (born string, ok bool) {
	return p.born, p.kind == fromAfter || p.kind == fromCursor
}
