package ws

import (
	"bytes"

	"eventhub/internal/hub"
)

// The commands a client can send.
const (
	kindAck          = "ack"
	kindNack         = "nack"
	kindExtend       = "extend"
	kindCredit       = "credit"
	kindPause        = "pause"
	kindResume       = "resume"
	kindAddStream    = "add_stream"
	kindRemoveStream = "remove_stream"
	kindSubscribe    = "subscribe"
	kindUnsubscribe  = "unsubscribe"
	kindPublish      = "publish"      // on every socket
	kindAuthenticate = "authenticate" // likewise
)

// command is a client's frame.
type command struct {
	kind   string
	ref    []byte            // raw JSON, or nil
	fields map[string][]byte // the others, raw; nil once it is under way
	weight int64             // while it is under way
}

// parseCommand reads a frame. Without a command the frame is no JSON object, and
// the fault is the reason to close; with one, the fault is to be answered.
func parseCommand(frame []byte) (*command, *hub.Error) {
	if err := hub.CheckJSON(frame); err != nil {
		return nil, hub.Errorf(hub.CodeInvalidRequest, "a frame must be a JSON object: %s", err.Detail)
	}
	if bytes.TrimLeft(frame, " \t\n\r")[0] != '{' {
		return nil, hub.Errorf(hub.CodeInvalidRequest, `a frame must be a JSON object, such as {"type":"ack","ids":["…"]}`)
	}
	c := &command{fields: map[string][]byte{}}
	var fault *hub.Error
	note := func(err *hub.Error) {
		if fault == nil {
			fault = err
		}
	}
	hub.EachMember(frame, func(name string, value []byte) {
		if c.fields[name] != nil {
			note(hub.Errorf(hub.CodeInvalidRequest, "%q is given twice", truncate(name, 64)))
		}
		c.fields[name] = value
		switch name {
		case "type":
			if value[0] != '"' {
				note(hub.Errorf(hub.CodeInvalidRequest, "type is not a string"))
				return
			}
			c.kind = hub.Unquote(value)
		case "ref":
			note(c.setRef(value))
		}
	})
	if c.kind == "" {
		note(hub.Errorf(hub.CodeInvalidRequest, "type is missing"))
	}
	delete(c.fields, "type")
	delete(c.fields, "ref")
	return c, fault
}

func (c *command) setRef(value []byte) *hub.Error {
	if value[0] != '"' && value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		return hub.Errorf(hub.CodeInvalidRequest, "ref is neither a string nor a number")
	}
	if len(value) > 256 {
		return hub.Errorf(hub.CodeInvalidRequest, "ref is longer than 256 bytes")
	}
	c.ref = bytes.Clone(value) // it outlives the frame
	return nil
}
