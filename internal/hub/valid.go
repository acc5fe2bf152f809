package hub

import (
	"encoding/binary"
	"math/bits"
)

// plainJSON says whether b is one JSON value with at most so many objects and arrays in
// one another. Where it says no, b may still be one: encoding/json is to tell, and knows
// the reason. It takes a fourth to a half of the time that encoding/json does, which
// calls a function for each byte; and each body, line and frame is checked. Like
// encoding/json it leaves UTF-8 alone.
func plainJSON(b []byte, depth int) bool {
	i, ok := plainValue(b, skipSpace(b, 0), min(depth, plainDepth))
	return ok && skipSpace(b, i) == len(b)
}

// plainDepth bounds the recursion; encoding/json allows more.
const plainDepth = 100

// plainValue returns the end of the value that starts at b[i], in which there may be so
// many objects and arrays in one another.
func plainValue(b []byte, i, depth int) (end int, ok bool) {
	if i >= len(b) {
		return i, false
	}
	switch c := b[i]; c {
	case '"':
		return plainString(b, i)
	case '{':
		return plainObject(b, i, depth)
	case '[':
		return plainArray(b, i, depth)
	case 't':
		return plainWord(b, i, "true")
	case 'f':
		return plainWord(b, i, "false")
	case 'n':
		return plainWord(b, i, "null")
	default:
		return plainNumber(b, i)
	}
}

func plainWord(b []byte, i int, word string) (end int, ok bool) {
	end = i + len(word)
	return end, end <= len(b) && string(b[i:end]) == word
}

func plainObject(b []byte, i, depth int) (end int, ok bool) {
	if depth == 0 {
		return i, false
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == '}' {
		return i + 1, true
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return i, false
		}
		if i, ok = plainString(b, i); !ok {
			return i, false
		}
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return i, false
		}
		if i, ok = plainValue(b, skipSpace(b, i+1), depth-1); !ok {
			return i, false
		}
		if i = skipSpace(b, i); i >= len(b) {
			return i, false
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return i + 1, true
		default:
			return i, false
		}
	}
}

func plainArray(b []byte, i, depth int) (end int, ok bool) {
	if depth == 0 {
		return i, false
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == ']' {
		return i + 1, true
	}
	for {
		if i, ok = plainValue(b, i, depth-1); !ok {
			return i, false
		}
		if i = skipSpace(b, i); i >= len(b) {
			return i, false
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case ']':
			return i + 1, true
		default:
			return i, false
		}
	}
}

func plainString(b []byte, i int) (end int, ok bool) {
	for i = plainText(b, i+1); i < len(b); i = plainText(b, i) {
		switch b[i] {
		case '"':
			return i + 1, true
		case '\\':
			if i = plainEscape(b, i+1); i < 0 {
				return 0, false
			}
		default: // a control character
			return i, false
		}
	}
	return i, false
}

// plainEscape returns the end of an escape whose backslash is before b[i], or -1.
func plainEscape(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(b) {
			return -1
		}
		for _, c := range b[i+1 : i+5] {
			if !digit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

// plainText returns where the text of a string that goes on at b[i] stops being
// plain: at a quote, a backslash, a control character, or the end of b. It looks at
// eight bytes at once.
func plainText(b []byte, i int) int {
	const (
		ones = 0x0101010101010101
		tops = 0x8080808080808080
	)
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^'"'*ones, x^'\\'*ones
		// (y-n*ones)&^y has the top bit of a byte below n, and of some above the first
		// such byte; the first is the one that counts.
		if stop := ((x-' '*ones)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & tops; stop != 0 {
			return i + bits.TrailingZeros64(stop)/8
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

func plainNumber(b []byte, i int) (end int, ok bool) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	if i = digits(b, i); i == start || b[start] == '0' && i > start+1 {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		start = i + 1
		if i = digits(b, start); i == start {
			return i, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start = i
		if i = digits(b, start); i == start {
			return i, false
		}
	}
	return i, true
}

func digits(b []byte, i int) int {
	for i < len(b) && digit(b[i]) {
		i++
	}
	return i
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
