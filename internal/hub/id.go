package hub

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ID places an event in its stream: a Redis stream id, written "<ms>-<seq>".
// Ids of one stream grow in publish order.
type ID struct {
	MS, Seq uint64
}

// ParseID reads "<ms>-<seq>"; both numbers are needed.
func ParseID(s string) (ID, error) {
	if id, end := ScanID(s); end > 0 && end == len(s) {
		return id, nil
	}
	ms, seq, ok := strings.Cut(s, "-")
	if !ok {
		return ID{}, fmt.Errorf("%q is not an event id: want <milliseconds>-<sequence>", clip(s))
	}
	m, err := parseDigits(ms)
	if err != nil {
		return ID{}, fmt.Errorf("%q is not an event id: %w", clip(s), err)
	}
	n, err := parseDigits(seq)
	if err != nil {
		return ID{}, fmt.Errorf("%q is not an event id: %w", clip(s), err)
	}
	return ID{MS: m, Seq: n}, nil
}

// parseDigits is strconv.ParseUint without the signs and underscores.
func parseDigits(s string) (uint64, error) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, fmt.Errorf("want digits")
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("want a number below 2^64")
	}
	return n, nil
}

// ScanID reads the id that text begins with, and says where it ends; 0: there is
// none, or ParseID is to say what is wrong with it.
func ScanID[T string | []byte](text T) (id ID, end int) {
	ms, at := scanNumber(text, 0)
	if at == 0 || at == len(text) || text[at] != '-' {
		return ID{}, 0
	}
	seq, end := scanNumber(text, at+1)
	if end == at+1 {
		return ID{}, 0
	}
	return ID{MS: ms, Seq: seq}, end
}

// scanNumber reads as many digits as certainly make a number below 2^64, and says
// where they end; where they begin: there are none, or too many.
func scanNumber[T string | []byte](text T, begin int) (n uint64, end int) {
	const safe = 19 // digits
	for end = begin; end < len(text) && '0' <= text[end] && text[end] <= '9'; end++ {
		if end-begin == safe {
			return 0, begin
		}
		n = 10*n + uint64(text[end]-'0')
	}
	return n, end
}

// Append appends the id's text to dst.
func (id ID) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, id.MS, 10)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, id.Seq, 10)
}

func (id ID) String() string {
	var buf [41]byte
	return string(id.Append(buf[:0]))
}

// Compare is negative when id comes before other, zero when they are equal.
func (id ID) Compare(other ID) int {
	switch {
	case id.MS < other.MS:
		return -1
	case id.MS > other.MS:
		return 1
	case id.Seq < other.Seq:
		return -1
	case id.Seq > other.Seq:
		return 1
	}
	return 0
}

// Before is the id just before this one; the zero id has none and returns
// itself.
func (id ID) Before() ID {
	switch {
	case id.Seq > 0:
		return ID{MS: id.MS, Seq: id.Seq - 1}
	case id.MS > 0:
		return ID{MS: id.MS - 1, Seq: math.MaxUint64}
	}
	return id
}

// Next is the id just after this one; the last there is has none and returns
// itself.
func (id ID) Next() ID {
	switch {
	case id.Seq < math.MaxUint64:
		return ID{MS: id.MS, Seq: id.Seq + 1}
	case id.MS < math.MaxUint64:
		return ID{MS: id.MS + 1}
	}
	return id
}

// Time is the millisecond part of the id, in UTC.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(min(id.MS, math.MaxInt64))).UTC()
}

// clip bounds what of a caller's text an error repeats.
func clip(s string) string { return clipTo(64, s) }

// clipTo bounds a text to so many bytes.
func clipTo(most int, s string) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
