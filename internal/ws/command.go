package ws

import (
	"strconv"
	"time"

	"eventhub/internal/hub"
)

// The commands a client can send.
const (
	kindAck  = "ack"
	kindNack = "nack"
)

// maxDelay bounds the delay of a nack.
const maxDelay = 30 * 24 * time.Hour

// command is a client's frame.
type command struct {
	kind     string
	ref      []byte // raw JSON, or nil
	stream   string
	receipts []hub.Receipt
	objects  bool // one of them names an attempt, or could
	delay    time.Duration
	given    []string // names of the fields, save for type and ref
}

// parseCommand reads a frame. Without a command the frame is no JSON object, and
// the fault is the reason to close; with one, the fault is to be answered.
func parseCommand(frame []byte) (*command, *hub.Error) {
	if err := hub.CheckJSON(frame); err != nil {
		return nil, hub.Errorf(hub.CodeInvalidRequest, "a frame must be a JSON object: %s", err.Detail)
	}
	i := 0
	for frame[i] == ' ' || frame[i] == '\t' || frame[i] == '\n' || frame[i] == '\r' {
		i++
	}
	if frame[i] != '{' {
		return nil, hub.Errorf(hub.CodeInvalidRequest, `a frame must be a JSON object, such as {"type":"ack","ids":["…"]}`)
	}
	c := &command{}
	var fault *hub.Error
	note := func(err *hub.Error) {
		if fault == nil {
			fault = err
		}
	}
	seen := map[string]bool{}
	hub.EachMember(frame, func(name string, value []byte) {
		if seen[name] {
			note(hub.Errorf(hub.CodeInvalidRequest, "%q is given twice", truncate(name, 64)))
		}
		seen[name] = true
		note(c.member(name, value))
	})
	if c.kind == "" {
		note(hub.Errorf(hub.CodeInvalidRequest, "type is missing"))
	}
	return c, fault
}

func (c *command) member(name string, value []byte) (fault *hub.Error) {
	switch name {
	case "type":
		c.kind, fault = text(name, value)
		return fault
	case "ref":
		if value[0] != '"' && value[0] != '-' && (value[0] < '0' || value[0] > '9') {
			return hub.Errorf(hub.CodeInvalidRequest, "ref is neither a string nor a number")
		}
		if len(value) > 256 {
			return hub.Errorf(hub.CodeInvalidRequest, "ref is longer than 256 bytes")
		}
		c.ref = value
		return nil
	case "stream":
		c.stream, fault = text(name, value)
	case "ids":
		c.receipts, c.objects, fault = receipts(value)
	case "delay":
		var delay string
		if delay, fault = text(name, value); fault == nil {
			var err error
			if c.delay, err = hub.ParseDuration(delay, 0, maxDelay); err != nil {
				fault = hub.Errorf(hub.CodeInvalidRequest, "delay: %s", err)
			}
		}
	}
	c.given = append(c.given, name)
	return fault
}

// only makes sure that a command has no fields but these.
func (c *command) only(names ...string) *hub.Error {
	for _, given := range c.given {
		known := false
		for _, name := range names {
			known = known || given == name
		}
		if !known {
			return hub.Errorf(hub.CodeInvalidRequest, "%q is not a field of %s (fields: type, ref, %q)", truncate(given, 64), c.kind, names)
		}
	}
	return nil
}

func text(name string, value []byte) (string, *hub.Error) {
	if value[0] != '"' {
		return "", hub.Errorf(hub.CodeInvalidRequest, "%s is not a string", name)
	}
	return hub.Unquote(value), nil
}

// receipts reads ids, each "<id>" or {"id":"<id>","attempt":2}.
func receipts(value []byte) (list []hub.Receipt, objects bool, fault *hub.Error) {
	if value[0] != '[' {
		return nil, false, hub.Errorf(hub.CodeInvalidRequest, "ids is not an array")
	}
	i := 0
	hub.EachElement(value, func(element []byte) {
		if len(list) == hub.MaxAckIDs {
			fault = hub.TooManyIDs()
		}
		if fault != nil {
			return
		}
		r, reason := receipt(element)
		if reason != "" {
			fault = hub.Errorf(hub.CodeInvalidRequest, "ids/%d: %s", i, reason)
		}
		list = append(list, r)
		objects = objects || element[0] == '{'
		i++
	})
	if len(list) == 0 && fault == nil {
		fault = hub.Errorf(hub.CodeInvalidRequest, "ids is empty: name at least one event")
	}
	return list, objects, fault
}

func receipt(value []byte) (r hub.Receipt, reason string) {
	id := value
	if value[0] == '{' {
		id = nil
		hub.EachMember(value, func(name string, value []byte) {
			switch name {
			case "id":
				id = value
			case "attempt":
				n, err := strconv.Atoi(string(value))
				if err != nil || n < 1 {
					reason = "attempt is not a whole number from 1"
				}
				r.Attempt = n
			default:
				reason = "only id and attempt are known"
			}
		})
	}
	if reason != "" {
		return r, reason
	}
	if len(id) == 0 || id[0] != '"' {
		return r, `want "<id>" or {"id":"<id>","attempt":n}`
	}
	parsed, err := hub.ParseID(hub.Unquote(id))
	if err != nil {
		return r, err.Error()
	}
	r.ID = parsed
	return r, ""
}
