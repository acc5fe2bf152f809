package ws

import (
	"slices"

	"eventhub/internal/hub"
)

// plainAck reads the frame that comes all the time, an ack of events by their ids
// without a ref, in one pass and without garbage, in less than a tenth of the time that
// parseCommand and fields take (BenchmarkPlainAck). It appends to list. ok is false for every other
// frame, also for a plain ack in unusual words (escapes, numbers of 20 digits) and
// for all that is wrong: those read it then, and say so. What it takes, they would
// take with the same result.
func plainAck(frame []byte, list []hub.Receipt) (stream []byte, _ []hub.Receipt, ok bool) {
	w := words{frame: frame}
	typed, listed := false, false
	w.skip('{')
	for more := true; more && !w.odd; more = w.another('}') {
		name := w.text()
		w.skip(':')
		switch {
		case string(name) == "type" && !typed:
			typed = true
			w.odd = w.odd || string(w.text()) != kindAck
		case string(name) == "stream" && stream == nil:
			stream = w.text()
			w.odd = w.odd || len(stream) == 0
		case string(name) == "ids" && !listed:
			listed = true
			list = w.ids(list)
		default:
			w.odd = true
		}
	}
	w.space()
	return stream, list, !w.odd && typed && listed && w.at == len(frame)
}

// words walks over JSON of few and simple words. What is not such is odd: nothing
// it returns counts then.
type words struct {
	frame []byte
	at    int // beyond which nothing was looked at
	odd   bool
}

func (w *words) space() {
	for w.at < len(w.frame) {
		switch w.frame[w.at] {
		case ' ', '\t', '\n', '\r':
			w.at++
		default:
			return
		}
	}
}

// skip is over one character and what space is before it.
func (w *words) skip(c byte) {
	w.space()
	if w.odd = w.odd || w.at == len(w.frame) || w.frame[w.at] != c; !w.odd {
		w.at++
	}
}

// another says whether a comma comes, as opposed to this end of the list.
func (w *words) another(end byte) bool {
	w.space()
	if !w.odd && w.at < len(w.frame) && w.frame[w.at] == ',' {
		w.at++
		return true
	}
	w.skip(end)
	return false
}

// text is what a string of ASCII without escapes has between its quotes, not nil.
func (w *words) text() []byte {
	w.skip('"')
	begin := w.at
	for ; !w.odd && w.at < len(w.frame); w.at++ {
		switch c := w.frame[w.at]; {
		case c == '"':
			w.at++
			return w.frame[begin : w.at-1 : w.at-1]
		case c < ' ' || c == '\\' || c > '~':
			w.odd = true
		}
	}
	w.odd = true
	return w.frame[begin:begin]
}

// ids appends those of an array that has some, and not too many.
func (w *words) ids(list []hub.Receipt) []hub.Receipt {
	w.skip('[')
	for more := true; more && !w.odd; more = w.another(']') {
		w.skip('"')
		id, size := hub.ScanID(w.frame[w.at:])
		if w.at += size; size == 0 || w.at == len(w.frame) || w.frame[w.at] != '"' || len(list) == hub.MaxAckIDs {
			w.odd = true
			break
		}
		w.at++
		if len(list) == cap(list) {
			each := size + len(`"",`) // the others are about as long
			list = slices.Grow(list, min(1+(len(w.frame)-w.at)/each, hub.MaxAckIDs))
		}
		list = append(list, hub.Receipt{ID: id})
	}
	return list
}
