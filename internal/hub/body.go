package hub

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// field is one that an object may have.
type field struct {
	name string
	read func(at string, value []byte)
}

// body reads the members of a body that is to be an object such as example. It
// tells which of the fields there are; what is wrong with them is among the
// faults.
func (d *decoder) body(body []byte, example string, fields ...field) (given map[string]bool, err error) {
	if err := CheckJSON(body); err != nil {
		return nil, err
	}
	start := skipSpace(body, 0)
	if body[start] != '{' {
		return nil, Errorf(CodeInvalidRequest, "want an object such as %s", example)
	}
	return d.object("", body[start:], fields...), nil
}

// object is body for an object at any place; value begins with a brace.
func (d *decoder) object(at string, value []byte, fields ...field) map[string]bool {
	given := map[string]bool{}
	EachMember(value, func(name string, value []byte) {
		if d.full() {
			return
		}
		here := at + "/" + pointerEscape(name)
		if given[name] {
			d.fault(here, "is given twice")
		}
		given[name] = true
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			d.fault(here, "is not a known field (%s)", fieldNames(fields))
			return
		}
		fields[i].read(here, value)
	})
	return given
}

func fieldNames(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// need makes it a fault that fields are missing.
func (d *decoder) need(at string, given map[string]bool, names ...string) {
	for _, name := range names {
		if !given[name] {
			d.fault(at+"/"+name, "is missing")
		}
	}
}

// text reads a string; ok is false where it is none.
func (d *decoder) text(at string, value []byte) (text string, ok bool) {
	if value[0] != '"' {
		d.fault(at, "is not a string")
		return "", false
	}
	return Unquote(value), true
}

// parse reads a string by parse.
func parse[T any](d *decoder, at string, value []byte, parse func(string) (T, error)) (v T) {
	if text, ok := d.text(at, value); ok {
		var err error
		if v, err = parse(text); err != nil {
			d.refuse(at, err)
		}
	}
	return v
}

func (d *decoder) stream(at string, value []byte) string {
	stream, ok := d.text(at, value)
	if !ok {
		return ""
	}
	if err := CheckName("stream", stream); err != nil {
		d.refuse(at, err)
	}
	return stream
}

func (d *decoder) flag(at string, value []byte) bool {
	if value[0] != 't' && value[0] != 'f' {
		d.fault(at, "is neither true nor false")
	}
	return value[0] == 't'
}

func (d *decoder) whole(at string, value []byte, least, most int) int {
	n, err := parseWhole(string(value), least, most)
	if err != nil {
		d.refuse(at, err)
	}
	return n
}

// array reads an array of at most so many elements; more are answered with this
// code. It tells how many there are, -1 where it is no array.
func (d *decoder) array(at string, value []byte, most int, over Code, read func(at string, element []byte)) (n int) {
	if value[0] != '[' {
		d.fault(at, "is not an array")
		return -1
	}
	EachElement(value, func(element []byte) {
		if n++; n <= most && !d.full() {
			read(at+"/"+strconv.Itoa(n-1), element)
		}
	})
	if n > most {
		d.lead(over, at, "has %d elements, at most %d are allowed", n, most)
	}
	return n
}

// parseWhole reads digits.
func parseWhole(text string, least, most int) (int, error) {
	n, err := parseDigits(text)
	if err != nil || n > math.MaxInt || int(n) < least || int(n) > most {
		return 0, fmt.Errorf("%q is not a whole number from %d to %d", clip(text), least, most)
	}
	return int(n), nil
}
