package hub

import (
	"encoding/json"
	"unicode/utf8"
)

// AppendQuoted appends s to dst as a JSON string. Invalid UTF-8 becomes U+FFFD;
// <, > and & are left alone.
func AppendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			start = i
			continue
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
}

// The scanner below walks JSON that is already known to be valid, so it needs
// no errors: it only finds where each value ends.

// scanValue returns the end of the value that starts at b[i] (no white space).
func scanValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return scanString(b, i)
	case '{', '[':
		depth := 0
		for {
			switch b[i] {
			case '"':
				i = scanString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\t', '\n', '\r':
			return i
		}
		i++
	}
	return i
}

func scanString(b []byte, i int) int {
	for i = plainText(b, i+1); b[i] != '"'; i = plainText(b, i) {
		i += 2 // an escape, as the string is valid
	}
	return i + 1
}

// nesting is how many objects and arrays of valid JSON are in one another at most.
func nesting(b []byte) int {
	depth, most := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = scanString(b, i) - 1
		case '{', '[':
			depth++
			most = max(most, depth)
		case '}', ']':
			depth--
		}
	}
	return most
}

func skipSpace(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// EachElement calls yield with every element of the valid JSON array b.
func EachElement(b []byte, yield func(value []byte)) {
	i := skipSpace(b, skipSpace(b, 0)+1)
	for b[i] != ']' {
		end := scanValue(b, i)
		yield(b[i:end])
		if i = skipSpace(b, end); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
}

// memberNames are those that come all the time.
var memberNames = func() map[string]string {
	names := map[string]string{}
	for _, name := range []string{
		"type", "topic", "key", "data", "data_base64", "content_type", "headers", "idempotency_key",
		"stream", "channel", "events", "ref", "ids", "id", "attempt", "up_to",
	} {
		names[name] = name
	}
	return names
}()

// EachMember calls yield with every name (decoded) and value of the valid JSON
// object b.
func EachMember(b []byte, yield func(name string, value []byte)) {
	i := skipSpace(b, skipSpace(b, 0)+1)
	for b[i] != '}' {
		end := scanString(b, i)
		name, ok := memberNames[string(b[i+1:end-1])] // no garbage
		if !ok {
			name = Unquote(b[i:end])
		}
		i = skipSpace(b, skipSpace(b, end)+1)
		end = scanValue(b, i)
		yield(name, b[i:end])
		if i = skipSpace(b, end); b[i] == ',' {
			i = skipSpace(b, i+1)
		}
	}
}

// Unquote decodes a valid JSON string.
func Unquote(b []byte) string {
	for i := 1; i < len(b)-1; i++ {
		if b[i] == '\\' {
			var s string
			_ = json.Unmarshal(b, &s) // cannot fail: b is a valid string
			return s
		}
	}
	return string(b[1 : len(b)-1])
}
