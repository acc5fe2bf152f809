package hub

import (
	"bytes"
	"cmp"
	"encoding/base64"
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

// maxHeaderBytes bounds the headers of one event, as JSON: they are for trace
// ids and the like, the payload belongs into data.
const maxHeaderBytes = 16 << 10

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

// binaryType is the content type of a binary payload that names none.
const binaryType = "application/octet-stream"

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

func (d *decoder) event(at string, value []byte) Event {
	var e Event
	if value[0] != '{' {
		d.fault(at, "is not an object")
		return e
	}
	var seen [9]bool
	EachMember(value, func(name string, value []byte) {
		field := d.eventField(name)
		if field < 0 {
			d.fault(at+"/"+pointerEscape(name), "is not a known field (%s)", d.eventFields())
			return
		}
		if seen[field] {
			d.fault(at+"/"+name, "is given twice")
		}
		seen[field] = true
		if !d.plainMember(&e, name, value) {
			d.member(&e, at+"/"+name, name, value)
		}
	})
	if d.to == ToMany && !seen[fieldStream] {
		d.fault(at+"/stream", "is missing")
	}
	switch hasJSON, hasBinary := seen[fieldData], seen[fieldBinary]; {
	case hasJSON && hasBinary:
		d.fault(at+"/data_base64", "and data are both given: an event has one payload")
	case !hasJSON && !hasBinary:
		d.fault(at+"/data", "is missing (null is a value; or send data_base64)")
	case hasBinary && e.ContentType == "":
		e.ContentType = binaryType
	}
	return e
}

// The fields of an event object.
const (
	fieldType = iota
	fieldTopic
	fieldKey
	fieldData
	fieldBinary
	fieldContentType
	fieldHeaders
	fieldIdempotencyKey
	fieldStream
)

// eventField is negative for a name that no field of these events has.
func (d *decoder) eventField(name string) int {
	switch name {
	case "type":
		return fieldType
	case "topic":
		return fieldTopic
	case "key":
		return fieldKey
	case "data":
		return fieldData
	case "data_base64":
		return fieldBinary
	case "content_type":
		return fieldContentType
	case "headers":
		return fieldHeaders
	case "idempotency_key":
		return fieldIdempotencyKey
	case "stream":
		if d.to == ToMany {
			return fieldStream
		}
	}
	return -1
}

func (d *decoder) eventFields() string {
	const all = "type, topic, key, data, data_base64, content_type, headers"
	switch d.to {
	case ToChannel:
		return all
	case ToMany:
		return "stream, " + all + ", idempotency_key"
	}
	return all + ", idempotency_key"
}

func (d *decoder) member(e *Event, at, name string, value []byte) {
	switch name {
	case "type":
		e.Type = d.label(at, value)
	case "topic":
		e.Topic = d.label(at, value)
	case "key":
		e.Key = d.label(at, value)
	case "content_type":
		if e.ContentType = d.label(at, value); value[0] == '"' {
			d.mediaType(at, e.ContentType)
		}
	case "headers":
		e.Headers = d.headers(at, value)
	case "data":
		d.size(at, len(value))
		e.Data = OneLine(value)
	case "data_base64":
		e.Data, e.Binary = d.base64(at, value), true
	case "idempotency_key":
		e.IdempotencyKey = d.idempotencyKey(at, value)
	case "stream":
		e.Stream = d.stream(at, value)
	}
}

func (d *decoder) label(at string, value []byte) string {
	if value[0] != '"' {
		d.fault(at, "is not a string")
		return ""
	}
	s := Unquote(value)
	if reason := checkLabel(s); reason != "" {
		d.fault(at, "%s", reason)
	}
	return s
}

func (d *decoder) mediaType(at, text string) {
	if !strings.Contains(text, "/") {
		d.fault(at, "is not a media type such as text/plain")
	}
}

func (d *decoder) idempotencyKey(at string, value []byte) string {
	if d.to == ToChannel {
		d.fault(at, noKeyReason)
		return ""
	}
	key := d.label(at, value)
	if value[0] == '"' && key == "" {
		d.fault(at, emptyKeyReason)
	}
	return key
}

// What is wrong with idempotency keys, wherever they are given.
const (
	noKeyReason    = "is not for broadcasts, of which nothing is kept"
	emptyKeyReason = "is empty: leave it out, or give it 1 to 256 bytes"
)

func (d *decoder) size(at string, n int) {
	if n > d.limits.EventBytes {
		d.code = CodePayloadTooLarge
		d.fault(at, "is %d bytes long, at most %d are allowed (HUB_MAX_EVENT_BYTES)", n, d.limits.EventBytes)
	}
}

func (d *decoder) base64(at string, value []byte) []byte {
	if value[0] != '"' {
		d.fault(at, "is not a string")
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(Unquote(value))
	if err != nil {
		d.fault(at, "is not standard base64 with padding (RFC 4648 §4)")
		return nil
	}
	d.size(at, len(data))
	return data
}

// headers checks an object of strings and returns it without white space.
func (d *decoder) headers(at string, value []byte) []byte {
	if value[0] != '{' {
		d.fault(at, "is not an object of strings")
		return nil
	}
	if len(value) > maxHeaderBytes {
		d.code = CodePayloadTooLarge
		d.fault(at, "are %d bytes long, at most %d are allowed", len(value), maxHeaderBytes)
		return nil
	}
	names := map[string]bool{}
	EachMember(value, func(name string, value []byte) {
		here := at + "/" + pointerEscape(name)
		switch reason := checkLabel(name); {
		case name == "" || reason != "":
			d.fault(here, "is not a header name: up to %d bytes without control characters", maxLabel)
		case names[name]:
			d.fault(here, "is given twice")
		case value[0] != '"':
			d.fault(here, "is not a string")
		case strings.ContainsFunc(Unquote(value), isControl):
			d.fault(here, "contains a control character")
		}
		names[name] = true
	})
	if len(names) == 0 {
		return nil
	}
	return compact(value)
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

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

// pointerEscape writes a name as one token of a JSON pointer.
func pointerEscape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(clip(name))
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
