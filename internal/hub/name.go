package hub

import (
	"fmt"
	"unicode/utf8"
)

const (
	maxName  = 128 // bytes of a stream, sink or channel name
	maxLabel = 256 // bytes of an event's type, topic or key
)

// CheckName reports whether s may name a stream, a sink or a channel:
// ^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$. kind says which, for the error.
func CheckName(kind, s string) *Error {
	if validName(s) {
		return nil
	}
	return &Error{
		Code:   CodeInvalidName,
		Detail: fmt.Sprintf("%q is not a %s name: use 1 to %d of A-Z a-z 0-9 . _ : -, beginning with a letter or digit", clip(s), kind, maxName),
	}
}

func validName(s string) bool {
	if s == "" || len(s) > maxName || !alphanumeric(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case alphanumeric(c), c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// checkLabel holds a type, topic, key, or a consumer's label to its form; the
// result is the reason it does not fit, or "".
func checkLabel(s string) string {
	if len(s) > maxLabel {
		return fmt.Sprintf("is %d bytes long, at most %d are allowed", len(s), maxLabel)
	}
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return fmt.Sprintf("contains the control character U+%04X", r)
		}
	}
	return ""
}

// CheckLabel reports whether s may be a free label (type, topic, key, consumer):
// up to 256 bytes of UTF-8 without control characters.
func CheckLabel(field, s string) *Error {
	if reason := checkLabel(s); reason != "" {
		return &Error{Code: CodeInvalidRequest, Detail: field + " " + reason}
	}
	return nil
}
