package hub

import "strings"

// typeHeader is where the content type of a payload stands.
const typeHeader = "header Content-Type"

// DecodeRaw gives e the payload that is all of a request's body, of which
// contentType is the header Content-Type, "" where there is none. JSON becomes
// data, anything else a binary payload. The error is an *Error that lists every
// fault.
func DecodeRaw(e *Event, contentType string, body []byte, lim Limits) error {
	d := decoder{limits: lim}
	e.ContentType = contentType
	if contentType != "" {
		d.contentType(contentType)
	}
	if isJSON(contentType) {
		d.json(e, body)
	} else {
		d.binary(e, body)
	}
	return d.err(nothingStored)
}

func (d *decoder) contentType(text string) {
	if reason := checkLabel(text); reason != "" {
		d.fault(typeHeader, "%s", reason)
	}
	d.mediaType(typeHeader, text)
}

// json takes a body that is to be JSON.
func (d *decoder) json(e *Event, body []byte) {
	if reason := checkJSON(body, d.limits.depth()); reason != "" {
		d.fault("", "the body %s", reason)
		return
	}
	start := skipSpace(body, 0)
	value := body[start:scanValue(body, start)]
	d.payloadSize(len(value))
	e.Data = OneLine(value)
}

func (d *decoder) binary(e *Event, body []byte) {
	d.payloadSize(len(body))
	e.Data, e.Binary = body, true
	if e.ContentType == "" {
		e.ContentType = binaryType
	}
}

func (d *decoder) payloadSize(n int) {
	if n > d.limits.EventBytes {
		d.code = CodePayloadTooLarge
		d.fault("", "%s", TooLargePayload(d.limits).Detail)
	}
}

// TooLargePayload is the answer to a payload of more bytes than lim allows.
func TooLargePayload(lim Limits) *Error {
	return Errorf(CodePayloadTooLarge, "the payload is larger than %d bytes (HUB_MAX_EVENT_BYTES)", lim.EventBytes)
}

// isJSON says whether a media type is one of JSON: application/json, or a type
// with the suffix +json (RFC 6839).
func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == JSONType || strings.HasSuffix(kind, "+json")
}
