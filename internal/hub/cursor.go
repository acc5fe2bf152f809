package hub

import (
	"encoding/base64"
	"strings"
)

// Place is a reader's place in one stream.
type Place struct {
	Stream string
	Born   string // the stream's generation, as Redis has it; "" where there was no stream
	After  ID     // everything up to it was read
}

// Cursor places a reader in all of its streams at once. On the wire it is an
// opaque token that is also true after a stream was deleted and made again.
type Cursor []Place

// cursorVersion begins a token's plain text, in which streams are separated by
// line breaks, and what is said of each by blanks. No name has either.
const cursorVersion = "1"

// String is the token: base64url, never to be mistaken for an id.
func (c Cursor) String() string {
	text := []byte(cursorVersion)
	for _, p := range c {
		text = append(text, '\n')
		text = append(text, p.Stream...)
		text = append(text, ' ')
		text = p.After.Append(text)
		text = append(text, ' ')
		text = append(text, p.Born...)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseCursor reads a token.
func ParseCursor(token string) (Cursor, *Error) {
	wrong := Errorf(CodeInvalidRequest, "%q is no cursor of this hub's, and no event id", clip(token))
	text, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, wrong
	}
	lines := strings.Split(string(text), "\n")
	if lines[0] != cursorVersion || len(lines) < 2 {
		return nil, wrong
	}
	c := make(Cursor, 0, len(lines)-1)
	for _, line := range lines[1:] {
		parts := strings.Split(line, " ")
		if len(parts) != 3 || !validName(parts[0]) {
			return nil, wrong
		}
		if _, twice := c.In(parts[0]); twice {
			return nil, wrong
		}
		after, err := ParseID(parts[1])
		if _, bornErr := parseDigits(parts[2]); err != nil || parts[2] != "" && bornErr != nil {
			return nil, wrong
		}
		c = append(c, Place{Stream: parts[0], Born: parts[2], After: after})
	}
	return c, nil
}

// In is the place in one stream, if the cursor has one.
func (c Cursor) In(stream string) (Place, bool) {
	for _, p := range c {
		if p.Stream == stream {
			return p, true
		}
	}
	return Place{}, false
}

// Move changes the place in a stream that the cursor has.
func (c Cursor) Move(stream string, after ID) {
	for i := range c {
		if c[i].Stream == stream {
			c[i].After = after
		}
	}
}
