package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"eventhub/internal/hub"
)

// An event is one stream entry with a field per part of the envelope, in a fixed
// order and only those that are set: events of one kind then have the same
// fields, which Redis stores once per node. v comes first and says that a hub
// wrote the entry, so that its data need not be checked again on delivery. JSON
// goes into data, other payloads into bin, both as they are.
const (
	fieldVersion     = "v"
	fieldType        = "type"
	fieldTopic       = "topic"
	fieldKey         = "key"
	fieldContentType = "content_type"
	fieldHeaders     = "headers"
	fieldData        = "data"
	fieldBinary      = "bin"

	entryVersion = "1"
)

// appendFields appends the fields and values of e to args.
func appendFields(args []any, e *hub.Event) []any {
	args = append(args, fieldVersion, entryVersion)
	args = appendText(args, fieldType, e.Type)
	args = appendText(args, fieldTopic, e.Topic)
	args = appendText(args, fieldKey, e.Key)
	args = appendText(args, fieldContentType, e.ContentType)
	if len(e.Headers) > 0 {
		args = append(args, fieldHeaders, e.Headers)
	}
	if e.Binary {
		return append(args, fieldBinary, e.Data)
	}
	return append(args, fieldData, e.Data)
}

func appendText(args []any, field, value string) []any {
	if value == "" {
		return args
	}
	return append(args, field, value)
}

// entrySize is about what e takes on the wire.
func entrySize(e *hub.Event) int {
	return 128 + len(e.Type) + len(e.Topic) + len(e.Key) + len(e.Headers) + len(e.Data)
}

// delivery is an event on its way to a consumer.
type delivery struct {
	id     hub.ID
	event  hub.Event
	fault  string // why the entry cannot be read, so that event is only a likeness of it
	marked bool   // Redis remembers more of it than that it is pending
}

// decodeEntry reads [id, [field, value, …]] as Redis answers it. ok is false for
// an entry without fields: it was deleted.
func decodeEntry(stream string, entry any) (d delivery, ok bool) {
	pair, _ := entry.([]any)
	if len(pair) < 2 {
		return d, false
	}
	text, _ := pair[0].(string)
	id, err := hub.ParseID(text)
	fields, _ := pair[1].([]any)
	if err != nil || len(fields) < 2 {
		return d, false
	}
	return decodeFields(stream, text, id, fields), true
}

func decodeFields(stream, text string, id hub.ID, fields []any) delivery {
	d := delivery{id: id, event: hub.Event{ID: text, Stream: stream, Time: id.Time()}}
	e := &d.event
	hasData := false
	// A hub's entry begins with v, and has nothing but an envelope. Others may have
	// a v of their own.
	ours := len(fields) > 1 && fields[0] == fieldVersion
	for i := 0; i+1 < len(fields); i += 2 {
		value, _ := fields[i+1].(string)
		switch fields[i] {
		case fieldType:
			e.Type = value
		case fieldTopic:
			e.Topic = value
		case fieldKey:
			e.Key = value
		case fieldContentType:
			e.ContentType = value
		case fieldHeaders:
			e.Headers = []byte(value)
		case fieldData:
			e.Data, hasData = []byte(value), true
		case fieldBinary:
			e.Data, e.Binary, hasData = []byte(value), true, true
		default:
			ours = ours && i == 0
		}
	}
	if ours {
		d.fault = faultOf(fields[1], e, hasData)
	}
	if !ours || d.fault != "" {
		adopt(e, fields, hasData)
	}
	return d
}

// faultOf says why an entry that claims to be a hub's cannot be one that this hub
// can read. Where it can, the event's JSON is in one line afterwards.
func faultOf(version any, e *hub.Event, hasData bool) string {
	switch {
	case version != entryVersion:
		return fmt.Sprintf("the entry has the version %.32q, this hub reads %q", version, entryVersion)
	case !hasData:
		return "the entry has neither data nor bin"
	case !e.Binary && !plausible(&e.Data):
		return "the entry's data is not JSON"
	case e.Headers != nil && (!bytes.HasPrefix(e.Headers, []byte{'{'}) || !plausible(&e.Headers)):
		return "the entry's headers are not a JSON object"
	}
	return ""
}

// plausible says whether bytes that should be JSON look like it, by their ends: a
// hub has checked them before it stored them, and who else writes entries does
// not say that a hub did. A hub stores no line breaks: JSON that has them is looked
// at closely, and they are taken out.
func plausible(text *[]byte) bool {
	data := *text
	switch {
	case len(data) == 0:
		return false
	case bytes.IndexByte(data, '\n') >= 0, bytes.IndexByte(data, '\r') >= 0:
		if !json.Valid(data) {
			return false
		}
		*text = hub.OneLine(data)
		return true
	}
	switch last := data[len(data)-1]; data[0] {
	case '{':
		return last == '}'
	case '[':
		return last == ']'
	case '"':
		return last == '"' && len(data) > 1
	}
	return json.Valid(data) // short: a number or a word
}

// adopt makes an event of an entry that another program wrote: parts that do not
// fit the envelope are left out, and data that is no JSON becomes a JSON string,
// or binary. An entry without data is delivered as an object of its fields.
func adopt(e *hub.Event, fields []any, hasData bool) {
	for _, label := range []*string{&e.Type, &e.Topic, &e.Key, &e.ContentType} {
		if hub.CheckLabel("", *label) != nil {
			*label = ""
		}
	}
	var headers map[string]string
	if e.Headers != nil && (!utf8.Valid(e.Headers) || json.Unmarshal(e.Headers, &headers) != nil) {
		headers = nil
	}
	e.Headers = nil
	if len(headers) > 0 {
		e.Headers, _ = json.Marshal(headers) // of strings: cannot fail
	}
	switch {
	case !hasData:
		e.Data, e.Binary = fieldsObject(fields), false
	case e.Binary:
		if e.ContentType == "" {
			e.ContentType = "application/octet-stream"
		}
	case !utf8.Valid(e.Data):
		e.Binary, e.ContentType = true, "application/octet-stream"
	case !json.Valid(e.Data):
		e.Data = hub.AppendQuoted(nil, string(e.Data))
	default:
		e.Data = hub.OneLine(e.Data)
	}
}

func fieldsObject(fields []any) []byte {
	object := []byte{'{'}
	for i := 0; i+1 < len(fields); i += 2 {
		name, _ := fields[i].(string)
		value, _ := fields[i+1].(string)
		if i > 0 {
			object = append(object, ',')
		}
		object = hub.AppendQuoted(object, name)
		object = append(object, ':')
		object = hub.AppendQuoted(object, value)
	}
	return append(object, '}')
}
