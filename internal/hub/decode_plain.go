package hub

// labels are those of the event before: events of one request are often of one kind,
// and share their strings.
type labels struct{ typ, topic, key string }

// plainMember reads the members that most events have, where nothing is wrong with
// them, and so without making the pointer that a fault needs. It says whether it has;
// member reads all others.
func (d *decoder) plainMember(e *Event, name string, value []byte) bool {
	switch name {
	case "type":
		return plainLabel(&e.Type, &d.kind.typ, value)
	case "topic":
		return plainLabel(&e.Topic, &d.kind.topic, value)
	case "key":
		return plainLabel(&e.Key, &d.kind.key, value)
	case "data":
		if len(value) <= d.limits.EventBytes {
			e.Data = OneLine(value)
			return true
		}
	}
	return false
}

// plainLabel reads a label of plain ASCII.
func plainLabel(label, last *string, value []byte) bool {
	end := len(value) - 1
	if value[0] != '"' || end > maxLabel || plainText(value, 1) != end {
		return false
	}
	if text := value[1:end]; *last == "" || string(text) != *last {
		for _, c := range text {
			if c >= 0x7f {
				return false
			}
		}
		*last = string(text)
	}
	*label = *last
	return true
}
