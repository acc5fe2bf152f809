package hub

import "bytes"

// Labels reads the topic and the type from the JSON of a broadcast event, as
// AppendJSON writes it, without reading the rest. Of anything else they are "".
func Labels(event []byte) (topic, typ string) {
	rest, _ := cutText(event, `{"id":`)
	rest, _ = cutText(rest, `,"channel":`)
	rest, typ = cutText(rest, `,"type":`)
	_, topic = cutText(rest, `,"topic":`)
	return topic, typ
}

// cutText takes a member whose value is a string off the front of b, where it
// stands there.
func cutText(b []byte, name string) (rest []byte, text string) {
	if !bytes.HasPrefix(b, []byte(name)) || len(b) == len(name) || b[len(name)] != '"' {
		return b, ""
	}
	value := b[len(name):]
	for i := 1; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case '"':
			return value[i+1:], Unquote(value[:i+1])
		}
	}
	return b, ""
}
