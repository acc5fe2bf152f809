package hub

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits bounds what one request may publish. The zero value allows nothing:
// use DefaultLimits where no configuration is at hand.
type Limits struct {
	EventBytes  int // data of one event: the JSON value, or the decoded payload
	BatchEvents int // events of one request
	BatchBytes  int // bytes of one request
	JSONDepth   int // objects and arrays in one another, of a body or the events of a frame; 0: the default
}

// DefaultLimits are the documented defaults.
var DefaultLimits = Limits{EventBytes: 1 << 20, BatchEvents: 1000, BatchBytes: 8 << 20, JSONDepth: 100}

func (l Limits) depth() int { return cmp.Or(l.JSONDepth, DefaultLimits.JSONDepth) }

// Target is what a body is published to, by which its events have different
// fields.
type Target uint8

// The targets.
const (
	ToStream  Target = iota // the stream that the request names
	ToChannel               // that the request names: live events have no idempotency_key
	ToMany                  // the stream that each event names
)

// Decode reads one event object, or an array of them (batch is true then; ToMany
// wants one), as it stands in a publish request. The events share memory with
// body. The error is an *Error that lists every fault with its JSON pointer.
func (to Target) Decode(body []byte, lim Limits) (events []Event, batch bool, err error) {
	if err := checkBody(body, lim); err != nil {
		return nil, false, err
	}
	d := decoder{limits: lim, to: to}
	switch start := skipSpace(body, 0); {
	case body[start] == '{' && to != ToMany:
		events = []Event{d.event("", body[start:])}
	case body[start] == '[':
		batch = true
		if events, err = d.batch(body, d.event); err != nil {
			return nil, true, err
		}
	case to == ToMany:
		return nil, false, Errorf(CodeInvalidRequest, `want an array of event objects such as {"stream":"orders","data":{"id":1}}`)
	default:
		return nil, false, Errorf(CodeInvalidRequest, `want an event object such as {"type":"order.created","data":{"id":1}}, or an array of them`)
	}
	if err := d.err(nothingStored); err != nil {
		return nil, batch, err
	}
	return events, batch, nil
}

// nothingStored is what came of a publish with faults.
const nothingStored = "nothing was stored: "

// maxRoom bounds the events that an array gets room for by the length of its first. That
// may be short and the others long, and the room of as many as a request may have is 20 MB
// where 100,000 are allowed.
const maxRoom = 1000

// batch reads the events of an array.
func (d *decoder) batch(body []byte, read func(at string, value []byte) Event) (events []Event, err error) {
	EachElement(body, func(value []byte) {
		at := "/" + strconv.Itoa(d.seen)
		if d.seen++; d.seen > d.limits.BatchEvents || d.full() {
			return
		}
		if events == nil { // the others are likely to be as long as the first
			events = make([]Event, 0, min(len(body)/(len(value)+1)+1, d.limits.BatchEvents, maxRoom))
		}
		events = append(events, read(at, value))
	})
	switch {
	case d.seen > d.limits.BatchEvents:
		return nil, tooManyEvents(d.seen, d.limits)
	case d.seen == 0:
		return nil, Errorf(CodeInvalidRequest, "the array is empty: send at least one event")
	}
	return events, nil
}

func tooManyEvents(n int, lim Limits) *Error {
	return Errorf(CodePayloadTooLarge, "the batch has %d events, at most %d are allowed (HUB_MAX_BATCH_EVENTS)", n, lim.BatchEvents)
}

// checkBody makes sure that body is one JSON value of no more bytes than lim
// allows.
func checkBody(body []byte, lim Limits) error {
	if len(body) > lim.BatchBytes {
		return TooLargeBody(lim)
	}
	if reason := checkJSON(body, lim.depth()); reason != "" {
		return Errorf(CodeInvalidRequest, "the body %s", reason)
	}
	return nil
}

// TooLargeBody is the answer to a request of more bytes than lim allows.
func TooLargeBody(lim Limits) *Error {
	return Errorf(CodePayloadTooLarge, "the request is larger than %d bytes (HUB_MAX_BATCH_BYTES)", lim.BatchBytes)
}

// CheckJSON makes sure that body is one JSON value in valid UTF-8. How deep it is nested
// is looked at where it may be: in what is published.
func CheckJSON(body []byte) *Error {
	if reason := checkJSON(body, anyDepth); reason != "" {
		return Errorf(CodeInvalidRequest, "the body %s", reason)
	}
	return nil
}

// anyDepth is as deep as encoding/json goes.
const anyDepth = 10_000

// checkJSON says why body is not one JSON value in valid UTF-8, with at most so many
// objects and arrays in one another, or "".
func checkJSON(body []byte, depth int) string {
	if !utf8.Valid(body) {
		return "is not valid UTF-8 (binary payloads go into data_base64)"
	}
	if plainJSON(body, depth) {
		return ""
	}
	if json.Valid(body) {
		if n := nesting(body); n > depth {
			return fmt.Sprintf("has %d objects and arrays in one another, at most %d are allowed (HUB_MAX_JSON_DEPTH)", n, depth)
		}
		return ""
	}
	var syntax *json.SyntaxError
	var value json.RawMessage
	if err := json.Unmarshal(body, &value); errors.As(err, &syntax) {
		return fmt.Sprintf("is not valid JSON: %s at byte %d", syntax, syntax.Offset)
	}
	return "is not valid JSON"
}

// decoder collects the faults of one body.
type decoder struct {
	faults
	limits Limits
	to     Target
	seen   int // elements of the array so far
	kind   labels
}

// err is every fault so far, behind a word on what came of them.
func (d *decoder) err(consequence string) error {
	if len(d.list) > 0 && d.list[0].Pointer != "" {
		consequence += shown(d.list[0].Pointer) + " "
	}
	return d.answer(consequence)
}

// OneLine is the JSON value without line breaks between its tokens, so that it fits into
// one line of NDJSON or of an event stream. What has none is passed through.
func OneLine(value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return value
	}
	return compact(value)
}

func compact(value []byte) []byte {
	var buf bytes.Buffer
	buf.Grow(len(value))
	_ = json.Compact(&buf, value) // cannot fail: value is valid
	return buf.Bytes()
}

// shown is a pointer as people read it: a client's name in it may have what speaks to
// their terminal.
func shown(pointer string) string {
	return strings.Map(func(r rune) rune {
		if isControl(r) {
			return utf8.RuneError
		}
		return r
	}, pointer)
}

// pointerEscape writes a name as one token of a JSON pointer.
func pointerEscape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(clip(name))
}
