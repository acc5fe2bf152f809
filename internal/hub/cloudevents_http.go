package hub

import (
	"cmp"
	"slices"
	"strings"
)

// attributePrefix begins the headers that are attributes in binary mode.
const attributePrefix = "ce-"

// DecodeBinaryCloudEvent reads a CloudEvent 1.0 in binary mode: its attributes are
// the headers ce-… and Content-Type, its data is the body. JSON becomes data, as
// does what names no type and is JSON; anything else is a binary payload. The type
// of a form, which curl -d says when it is told none, counts as none. As for the
// attributes and the error see DecodeCloudEvent.
func DecodeBinaryCloudEvent(header map[string][]string, body []byte, lim Limits) (Event, error) {
	d := decoder{limits: lim}
	c := cloudEvent{decoder: &d, prefix: "header " + attributePrefix}
	for _, h := range attributeHeaders(header) {
		c.given = append(c.given, h.name)
		switch {
		case len(h.values) > 1:
			c.fault(h.place, "is given %d times", len(h.values))
		case h.place == typeHeader:
			c.set(h.place, h.name, h.values[0])
		case h.name == contentTypeAttribute:
			c.fault(h.place, "is not an attribute in binary mode, where Content-Type stands for it")
		default:
			c.set(h.place, h.name, unescapeAttribute(h.values[0]))
		}
	}
	switch e := &c.event; {
	case len(body) == 0:
	case isJSON(e.ContentType), e.ContentType == "" && checkJSON(body, anyDepth) == "":
		c.hasJSON = true
		d.json(e, body)
	default:
		d.binary(e, body)
	}
	e := c.end()
	if err := d.err(nothingStored); err != nil {
		return Event{}, err
	}
	return e, nil
}

// attributeHeader is what HTTP has of an attribute.
type attributeHeader struct {
	name, place string
	values      []string
}

// attributeHeaders are those that are attributes, by name.
func attributeHeaders(header map[string][]string) []attributeHeader {
	var list []attributeHeader
	for name, values := range header {
		name = strings.ToLower(name)
		attribute, ok := strings.CutPrefix(name, attributePrefix)
		switch {
		case len(values) == 0:
		case ok:
			list = append(list, attributeHeader{attribute, "header " + clip(name), values})
		case name == "content-type" && values[0] != "" && (len(values) > 1 || !isForm(values[0])):
			list = append(list, attributeHeader{contentTypeAttribute, typeHeader, values})
		}
	}
	slices.SortFunc(list, func(a, b attributeHeader) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.place, b.place))
	})
	return list
}

// isForm says whether a media type is that of a form.
func isForm(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded")
}

// unescapeAttribute decodes the value of a header ce-…, which may be a quoted
// string (RFC 7230 §3.2.6) and is percent-encoded: see HTTP Protocol Binding for
// CloudEvents 1.0.2, §3.1.3.2. A percent sign that encodes nothing stands for itself, as
// there are senders that do not encode.
func unescapeAttribute(value string) string {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = unescapeQuoted(value[1 : n-1])
	}
	if !strings.Contains(value, "%") {
		return value
	}
	text := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) && isHex(value[i+1]) && isHex(value[i+2]) {
			text = append(text, unhex(value[i+1])<<4|unhex(value[i+2]))
			i += 2
			continue
		}
		text = append(text, value[i])
	}
	return string(text)
}

func unescapeQuoted(value string) string {
	if !strings.Contains(value, `\`) {
		return value
	}
	text := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+1 < len(value) {
			i++
		}
		text = append(text, value[i])
	}
	return string(text)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}
