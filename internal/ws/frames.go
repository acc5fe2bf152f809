package ws

import (
	"strconv"
	"time"
	"unicode/utf8"

	"eventhub/internal/hub"
)

// readyFrame begins every session.
func readyFrame(sess *session, fields func(dst []byte) []byte) []byte {
	dst := append([]byte(nil), `{"type":"ready","session":`...)
	dst = hub.AppendQuoted(dst, sess.id)
	dst = append(dst, `,"role":"`...)
	dst = append(dst, sess.role...)
	dst = append(dst, '"')
	dst = fields(dst)
	return append(dst, '}')
}

func appendStrings(dst []byte, name string, values []string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, `":[`...)
	for i, value := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = hub.AppendQuoted(dst, value)
	}
	return append(dst, ']')
}

func appendString(dst []byte, name, value string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return hub.AppendQuoted(dst, value)
}

func appendInt(dst []byte, name string, value int) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return strconv.AppendInt(dst, int64(value), 10)
}

func appendInts(dst []byte, name string, values []int) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, `":[`...)
	for i, value := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(value), 10)
	}
	return append(dst, ']')
}

func appendIDs(dst []byte, name string, ids []hub.ID) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	dst = append(dst, `":[`...)
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = id.Append(dst)
		dst = append(dst, '"')
	}
	return append(dst, ']')
}

// errorFrame tells what was wrong; ref is the command's, raw, or nil.
func errorFrame(ref []byte, err *hub.Error) []byte {
	dst := appendRef([]byte(`{"type":"error"`), ref)
	dst = appendString(dst, "code", string(err.Code))
	return append(appendString(dst, "detail", err.Detail), '}')
}

func appendRef(dst, ref []byte) []byte {
	if ref == nil {
		return dst
	}
	dst = append(dst, `,"ref":`...)
	return append(dst, ref...)
}

func drainFrame(reconnectAfter time.Duration) []byte {
	dst := appendString([]byte(`{"type":"drain"`), "reconnect_after", reconnectAfter.Round(time.Millisecond).String())
	return append(dst, '}')
}

func gapFrame(gap hub.Gap) []byte {
	return append(gap.AppendMembers([]byte(`{"type":"gap"`)), '}')
}

// truncate shortens s to at most n bytes of valid UTF-8.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
