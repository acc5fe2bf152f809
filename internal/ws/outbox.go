package ws

import (
	"bytes"
	"encoding/binary"
	"slices"

	"eventhub/internal/hub"
)

// frameBytes bounds an events frame that has more than one event, so that a
// client's read limit need not grow with its prefetch.
const frameBytes = 1 << 20

const eventsHead = `{"type":"events","events":[`

// outbox gathers a socket's frames as they go over the wire, so that what is due at
// one time costs one system call (0.6 µs a frame against 4.5, measured). A pump uses
// one for all of its sockets in turn.
type outbox struct {
	buf      []byte
	open     int    // where the payload of the frame that is being made begins; 0: there is none
	borrowed []byte // what goes out in place of buf; not to be written to

	messages []*hub.Message // room for those of a broadcast; empty between turns
	cast     cast
}

// text adds a text frame.
func (o *outbox) text(payload []byte) { o.add(finalText, payload) }

// add adds a frame of its own, behind the events frame if there is one. A control
// frame has at most 125 bytes.
func (o *outbox) add(opcode byte, payload []byte) {
	o.seal(nil)
	o.begin(opcode)
	o.buf = append(o.buf, payload...)
	o.close()
}

// put adds an event's JSON to the events frame, by way of appendEvent. One that would
// make the frame too large begins the next.
func (o *outbox) put(appendEvent func(dst []byte) []byte) {
	o.next()
	at, first := len(o.buf), len(o.buf) == o.open+len(eventsHead)
	o.buf = appendEvent(o.buf)
	if len(o.buf)-o.open+len("]}") <= frameBytes || first {
		return
	}
	event := slices.Clone(o.buf[at:])
	o.buf = o.buf[:at-1] // without the comma
	o.seal(nil)
	o.join(event)
}

// fits says whether so many bytes more fit into the events frame.
func (o *outbox) fits(bytes int) bool {
	return o.open == 0 || len(o.buf)-o.open+len(",]}")+bytes <= frameBytes
}

// join adds an event's JSON to the events frame, whether it fits or not.
func (o *outbox) join(event []byte) {
	o.next()
	o.buf = append(o.buf, event...)
}

// next makes room for one more event.
func (o *outbox) next() {
	if o.open == 0 {
		o.begin(finalText)
		o.buf = append(o.buf, eventsHead...)
	} else {
		o.buf = append(o.buf, ',')
	}
}

// seal ends the events frame, if there is one, with these fields behind the events.
func (o *outbox) seal(fields []byte) {
	if o.open == 0 {
		return
	}
	o.buf = append(append(append(o.buf, ']'), fields...), '}')
	o.close()
}

func (o *outbox) empty() bool { return len(o.buf)+len(o.borrowed) == 0 }

// borrow has an empty outbox send frames that others send, too.
func (o *outbox) borrow(frames []byte) { o.borrowed = frames }

// frames is what goes over the wire now.
func (o *outbox) frames() []byte {
	o.seal(nil)
	if o.borrowed != nil {
		return o.borrowed
	}
	return o.buf
}

// keptBytes bounds the buffer that is kept for later turns: a larger one is rare.
const keptBytes = 2 * frameBytes

// sharedBytes is how much is worth sharing, in place of a copy for each slow client.
const sharedBytes = 16 << 10

// clear empties it. It returns the frames from a place on, for the caller to keep.
func (o *outbox) clear(from int) (rest []byte) {
	rest = o.frames()[from:]
	switch {
	case len(rest) == 0:
		rest = nil
	case o.borrowed != nil && len(rest) > sharedBytes:
		o.cast.lent = true // many may be slow to take the same
	case o.borrowed == nil && len(rest) > cap(o.buf)/2:
		o.buf = nil // it goes with them
	default:
		rest = bytes.Clone(rest) // a slow client must not sit on a large buffer
	}
	o.borrowed = nil
	if o.buf = o.buf[:0]; cap(o.buf) > keptBytes {
		o.buf = nil
	}
	return rest
}

// Server frames are neither masked nor in fragments (RFC 6455, §5.2).
const (
	finalText   = 0x81
	finalClose  = 0x88
	finalPing   = 0x89
	finalPong   = 0x8a
	shortHeader = 2  // up to 125 bytes
	midHeader   = 4  // up to 65,535
	longHeader  = 10 // beyond
)

// begin begins a frame, with the header of most frames.
func (o *outbox) begin(opcode byte) {
	o.buf = append(o.buf, opcode, 0, 0, 0)
	o.open = len(o.buf)
}

// close completes the header of the frame, if one is open. Its length has to take
// the fewest bytes, which may move the payload.
func (o *outbox) close() {
	if o.open == 0 {
		return
	}
	b, at := o.buf, o.open-midHeader
	o.open = 0
	switch size := len(b) - at - midHeader; {
	case size <= 125:
		b[at+1] = byte(size)
		copy(b[at+shortHeader:], b[at+midHeader:])
		b = b[:len(b)-(midHeader-shortHeader)]
	case size <= 0xffff:
		b[at+1] = 126
		binary.BigEndian.PutUint16(b[at+2:], uint16(size))
	default:
		b = append(b, make([]byte, longHeader-midHeader)...)
		copy(b[at+longHeader:], b[at+midHeader:])
		b[at+1] = 127
		binary.BigEndian.PutUint64(b[at+2:], uint64(size))
	}
	o.buf = b
}
