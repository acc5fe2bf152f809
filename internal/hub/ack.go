package hub

import "strconv"

// MaxAckIDs bounds the ids of one acknowledging call.
const MaxAckIDs = 10_000

// TooManyIDs is the answer to more.
func TooManyIDs() *Error {
	return Errorf(CodePayloadTooLarge, "ids: at most %d are allowed in one call", MaxAckIDs)
}

// DecodeAck reads {"stream":"orders","ids":["…"]}. The error is an *Error that
// lists every fault.
func DecodeAck(body []byte) (stream string, ids []ID, err error) {
	if err := CheckJSON(body); err != nil {
		return "", nil, err
	}
	at := skipSpace(body, 0)
	if body[at] != '{' {
		return "", nil, Errorf(CodeInvalidRequest, `want an object such as {"stream":"orders","ids":["1763650000000-0"]}`)
	}
	var d decoder
	given := map[string]bool{}
	EachMember(body, func(name string, value []byte) {
		if given[name] {
			d.fault("/"+pointerEscape(name), "is given twice")
		}
		given[name] = true
		switch name {
		case "stream":
			stream = d.label("/stream", value)
			if err := CheckName("stream", stream); err != nil && value[0] == '"' {
				d.fault("/stream", "%s", err.Detail)
			}
		case "ids":
			ids = d.ids("/ids", value)
		default:
			d.fault("/"+pointerEscape(name), "is not a known field (stream, ids)")
		}
	})
	for _, name := range []string{"stream", "ids"} {
		if !given[name] {
			d.fault("/"+name, "is missing")
		}
	}
	if len(ids) > MaxAckIDs {
		return "", nil, TooManyIDs()
	}
	return stream, ids, d.err("nothing was acknowledged: ")
}

func (d *decoder) ids(at string, value []byte) []ID {
	if value[0] != '[' {
		d.fault(at, "is not an array")
		return nil
	}
	var ids []ID
	i := 0
	EachElement(value, func(element []byte) {
		if d.full() || len(ids) > MaxAckIDs {
			return
		}
		here := at + "/" + strconv.Itoa(i)
		i++
		if element[0] != '"' {
			d.fault(here, "is not a string")
			return
		}
		id, err := ParseID(Unquote(element))
		if err != nil {
			d.fault(here, "%s", err)
		}
		ids = append(ids, id)
	})
	if i == 0 {
		d.fault(at, "is empty: name at least one event")
	}
	return ids
}
