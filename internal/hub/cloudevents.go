package hub

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// DecodeCloudEvent reads a CloudEvent 1.0 in structured mode: one in JSON format.
// The event shares memory with body. The error is an *Error that lists every fault
// with its JSON pointer.
//
// The attributes type, subject, partitionkey and datacontenttype are the event's
// type, topic, key and content type, source and id are its idempotency key, and all
// of them are headers. Their values are not looked into further: whether time is
// one is left to who reads it.
func DecodeCloudEvent(body []byte, lim Limits) (Event, error) {
	if err := checkBody(body, lim); err != nil {
		return Event{}, err
	}
	d := decoder{limits: lim}
	start := skipSpace(body, 0)
	if body[start] != '{' {
		return Event{}, Errorf(CodeInvalidRequest, `want a CloudEvent such as {"specversion":"1.0","id":"1","source":"/shop","type":"order.created","data":{}}`)
	}
	e := d.cloudEvent("", body[start:])
	if err := d.err(nothingStored); err != nil {
		return Event{}, err
	}
	return e, nil
}

// DecodeCloudEvents is DecodeCloudEvent for batched mode: a JSON array.
func DecodeCloudEvents(body []byte, lim Limits) ([]Event, error) {
	if err := checkBody(body, lim); err != nil {
		return nil, err
	}
	d := decoder{limits: lim}
	if body[skipSpace(body, 0)] != '[' {
		return nil, Errorf(CodeInvalidRequest, "want an array of CloudEvents")
	}
	events, err := d.batch(body, d.cloudEvent)
	if err == nil {
		err = d.err(nothingStored)
	}
	if err != nil {
		return nil, err
	}
	return events, nil
}

// cloudEvent reads one in JSON format, which has data and data_base64 beside its
// attributes.
func (d *decoder) cloudEvent(at string, value []byte) Event {
	if value[0] != '{' {
		d.fault(at, "is not an object")
		return Event{}
	}
	c := cloudEvent{decoder: d, at: at, prefix: at + "/"}
	seen := map[string]bool{}
	EachMember(value, func(name string, value []byte) {
		here := at + "/" + pointerEscape(name)
		if seen[name] {
			d.fault(here, "is given twice")
		}
		seen[name] = true
		switch {
		case name == "data":
			d.size(here, len(value))
			c.event.Data, c.hasJSON = OneLine(value), true
		case value[0] == 'n': // as good as absent
		case name == "data_base64":
			c.event.Data, c.event.Binary = d.base64(here, value), true
		default:
			c.given = append(c.given, name)
			if text, ok := d.attribute(here, name, value); ok {
				c.set(here, name, text)
			}
		}
	})
	if c.hasJSON && c.event.Binary {
		d.fault(at+"/data_base64", "and data are both given: an event has one payload")
	}
	return c.end()
}

// contentTypeAttribute is Content-Type in binary mode.
const contentTypeAttribute = "datacontenttype"

// coreAttributes are strings; other attributes may also be numbers or booleans.
var coreAttributes = []string{"specversion", "id", "source", "type", "subject", "time", "dataschema", contentTypeAttribute, "partitionkey"}

// attribute is the text of an attribute; ok is false where it has none.
func (d *decoder) attribute(at, name string, value []byte) (text string, ok bool) {
	switch {
	case value[0] == '"' || slices.Contains(coreAttributes, name):
		return d.text(at, value)
	case value[0] == '{' || value[0] == '[':
		d.fault(at, "is neither a string, a number nor a boolean")
		return "", false
	}
	return string(value), true
}

// cloudEvent is a CloudEvent while it is read.
type cloudEvent struct {
	*decoder
	at         string // its place
	prefix     string // with an attribute's name behind it: that attribute's place
	event      Event
	hasJSON    bool // as data
	source, id string
	given      []string // names of the attributes, with faults or without
	attributes []attribute
}

type attribute struct{ name, text string }

// set takes an attribute; here is its place.
func (c *cloudEvent) set(here, name, text string) {
	switch {
	case !attributeName(name):
		c.fault(here, "is not an attribute name: use 1 to %d of a-z 0-9", maxAttribute)
		return
	case !utf8.ValidString(text):
		c.fault(here, "is not valid UTF-8")
		return
	case strings.ContainsFunc(text, isControl):
		c.fault(here, "contains a control character")
		return
	case text == "" && slices.Contains(neededAttributes, name):
		c.fault(here, "is empty")
		return
	}
	switch name {
	case "specversion":
		if text != "1.0" {
			c.fault(here, `%q is not a version that is read here: want "1.0"`, clip(text))
		}
	case "id":
		c.id = text
	case "source":
		c.source = text
	case "type":
		c.event.Type = c.short(here, text)
	case "subject":
		c.event.Topic = c.short(here, text)
	case "partitionkey":
		c.event.Key = c.short(here, text)
	case contentTypeAttribute:
		c.event.ContentType = c.short(here, text)
		c.mediaType(here, text)
	}
	c.attributes = append(c.attributes, attribute{name, text})
}

// short holds an attribute to the form of what it becomes.
func (c *cloudEvent) short(here, text string) string {
	if reason := checkLabel(text); reason != "" {
		c.fault(here, "%s", reason)
	}
	return text
}

// headers are the object that the attributes become, nil without any. It is the
// same in whatever order and mode they came: what is sent again is known by it.
func (c *cloudEvent) headers() []byte {
	if len(c.attributes) == 0 {
		return nil
	}
	slices.SortStableFunc(c.attributes, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	var object []byte
	for _, a := range c.attributes {
		object = append(object, ',')
		object = AppendQuoted(object, attributePrefix+a.name)
		object = append(object, ':')
		object = AppendQuoted(object, a.text)
	}
	object[0] = '{'
	return append(object, '}')
}

// end is the event once all of it was read.
func (c *cloudEvent) end() Event {
	for _, name := range neededAttributes {
		if !slices.Contains(c.given, name) {
			c.fault(c.prefix+name, "is missing")
		}
	}
	e := c.event
	e.Headers = c.headers()
	if len(e.Headers) > maxHeaderBytes {
		c.code = CodePayloadTooLarge
		c.fault(c.at, "the attributes are %d bytes long as headers, at most %d are allowed", len(e.Headers), maxHeaderBytes)
	}
	switch {
	case !c.hasJSON && !e.Binary:
		e.Data = []byte("null")
	case e.Binary && e.ContentType == "":
		e.ContentType = binaryType
	}
	// No idempotency key that a user may send has a control character, so that the
	// two kinds never meet.
	e.IdempotencyKey = c.source + "\x00" + c.id
	return e
}

// neededAttributes are there in every CloudEvent, and not empty.
var neededAttributes = []string{"specversion", "id", "source", "type"}

const maxAttribute = 64 // bytes of an attribute's name

func attributeName(name string) bool {
	if name == "" || len(name) > maxAttribute || name == "data" { // which no attribute may be called
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
