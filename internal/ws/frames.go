package ws

import (
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"eventhub/internal/hub"
)

// frameBytes bounds an events frame that has more than one event, so that a
// client's read limit need not grow with its prefetch.
const frameBytes = 1 << 20

const eventsHead = `{"type":"events","events":[`

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

// batcher joins events into frames.
type batcher struct {
	buffers *buffers
	buf     *[]byte // nil between frames
	write   func([]byte) error
}

// add appends one event's JSON by way of appendEvent. A frame that it would make
// too large is written first, without it.
func (b *batcher) add(appendEvent func(dst []byte) []byte) error {
	b.begin()
	end := len(*b.buf)
	*b.buf = appendEvent(*b.buf)
	if len(*b.buf)+len("]}") <= frameBytes {
		return nil
	}
	if end == len(eventsHead) {
		return b.flush(nil) // one event, however large
	}
	event := slices.Clone((*b.buf)[end:])
	*b.buf = (*b.buf)[:end-1] // without the comma
	if err := b.flush(nil); err != nil {
		return err
	}
	return b.add(func(dst []byte) []byte { return append(dst, event...) })
}

// begin makes room for one more event's JSON.
func (b *batcher) begin() {
	if b.buf == nil {
		b.buf, _ = b.buffers.pool.Get().(*[]byte)
		*b.buf = append((*b.buf)[:0], eventsHead...)
	} else {
		*b.buf = append(*b.buf, ',')
	}
}

// fits says whether so many bytes more fit into the frame.
func (b *batcher) fits(bytes int) bool {
	return b.buf == nil || len(*b.buf)+len(",]}")+bytes <= frameBytes
}

// join adds an event's JSON to the frame, whether it fits or not.
func (b *batcher) join(event []byte) {
	b.begin()
	*b.buf = append(*b.buf, event...)
}

// flush writes what there is; fields follow the events in their frame.
func (b *batcher) flush(fields []byte) error {
	if b.buf == nil {
		return nil
	}
	*b.buf = append(append(append(*b.buf, ']'), fields...), '}')
	err := b.write(*b.buf)
	if cap(*b.buf) <= b.buffers.most {
		b.buffers.pool.Put(b.buf)
	}
	b.buf = nil
	return err
}

// buffers are what batchers share: an idle socket holds none.
type buffers struct {
	pool sync.Pool // of *[]byte
	most int       // bytes: a larger one is rare, and not worth keeping
}

func newBuffers(most int) *buffers {
	return &buffers{pool: sync.Pool{New: func() any { return new([]byte) }}, most: most}
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
