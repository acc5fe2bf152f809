package hub

import (
	"encoding/base64"
	"strings"
)

// maxHeaderBytes bounds the headers of one event, as JSON: they are for trace
// ids and the like, the payload belongs into data.
const maxHeaderBytes = 16 << 10

// binaryType is the content type of a binary payload that names none.
const binaryType = "application/octet-stream"

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
