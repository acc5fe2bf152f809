package ws

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"eventhub/internal/hub"
)

// fields reads those of a command. Only the first fault counts.
type fields struct {
	raw   map[string][]byte
	fault *hub.Error
}

// read begins with the names of all fields that the command has.
func (c *command) read(known ...string) *fields {
	f := &fields{raw: c.fields}
	var unknown []string
	for name := range c.fields {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		f.wrong("%q is not a field of %s (fields: %s)", truncate(slices.Min(unknown), 64), c.kind,
			strings.Join(append([]string{"type", "ref"}, known...), ", "))
	}
	return f
}

func (f *fields) wrong(format string, args ...any) {
	f.check(hub.Errorf(hub.CodeInvalidRequest, format, args...))
}

func (f *fields) check(err *hub.Error) {
	if f.fault == nil {
		f.fault = err
	}
}

func (f *fields) err() error {
	if f.fault == nil {
		return nil
	}
	return f.fault
}

func (f *fields) has(name string) bool { return f.raw[name] != nil }

// text is "" where the field is not given.
func (f *fields) text(name string) string {
	value := f.raw[name]
	if value == nil {
		return ""
	}
	if value[0] != '"' {
		f.wrong("%s is not a string", name)
		return ""
	}
	return hub.Unquote(value)
}

// stream must be given.
func (f *fields) stream() string { return f.name("stream") }

// name must be given; its own name says whose.
func (f *fields) name(kind string) string {
	if !f.has(kind) {
		f.wrong("%s is missing", kind)
	}
	name := f.text(kind)
	f.check(hub.CheckName(kind, name))
	return name
}

// receipts reads ids, which must be given. attempts says whether they may name
// their delivery.
func (f *fields) receipts(attempts bool) []hub.Receipt {
	if !f.has("ids") {
		f.wrong("ids is missing")
		return nil
	}
	list, err := hub.DecodeReceipts(f.raw["ids"], attempts)
	f.check(asFault(err))
	return list
}

// upTo is nil where it is not given.
func (f *fields) upTo() *hub.ID {
	if !f.has("up_to") {
		return nil
	}
	id, err := hub.ParseID(f.text("up_to"))
	if err != nil {
		f.wrong("up_to: %s", err)
	}
	return &id
}

// delay is nil where it is not given.
func (f *fields) delay() *time.Duration {
	if !f.has("delay") {
		return nil
	}
	delay, err := hub.ParseDelay(f.text("delay"))
	if err != nil {
		f.wrong("delay: %s", err)
	}
	return &delay
}

func (f *fields) reason() string {
	reason := f.text("reason")
	f.check(hub.CheckReason(reason))
	return reason
}

// flag is false where it is not given.
func (f *fields) flag(name string) bool {
	switch string(f.raw[name]) {
	case "true":
		return true
	case "", "false":
	default:
		f.wrong("%s is neither true nor false", name)
	}
	return false
}

// number must be given.
func (f *fields) number(name string, least, most int) int {
	n, err := strconv.Atoi(string(f.raw[name]))
	if err != nil || n < least || n > most {
		f.wrong("%s: want a whole number from %d to %d", name, least, most)
	}
	return n
}

// position is "" where it is not given.
func (f *fields) position(name string) string {
	if !f.has(name) {
		return ""
	}
	text := f.text(name)
	if _, err := hub.ParsePosition(text); err != nil {
		f.wrong("%s: %s", name, err.Detail)
	}
	return text
}

// place is Latest where it is not given.
func (f *fields) place(name string) hub.Position {
	text := f.position(name)
	if text == "" {
		return hub.Latest
	}
	position, _ := hub.ParsePosition(text) // position has looked at it
	return position
}
