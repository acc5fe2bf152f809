package hub

import (
	"errors"
	"fmt"
	"slices"
)

// maxFaults bounds the list of an error: a wrong program makes the same
// mistake in all of its events.
const maxFaults = 100

// faults is what is wrong with a request.
type faults struct {
	code Code // of the answer; "": CodeInvalidRequest
	list []Fault
}

func (f *faults) full() bool { return len(f.list) >= maxFaults }

func (f *faults) fault(pointer, format string, args ...any) {
	if !f.full() {
		f.list = append(f.list, Fault{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
	}
}

// lead adds a fault before all others, as it gives the answer its code.
func (f *faults) lead(code Code, pointer, format string, args ...any) {
	f.code = code
	f.list = slices.Insert(f.list, 0, Fault{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// refuse adds what a function that reads one value says of it.
func (f *faults) refuse(pointer string, err error) {
	var e *Error
	switch {
	case !errors.As(err, &e):
		f.fault(pointer, "%s", err)
	case e.Code == CodeNotSupported:
		f.lead(e.Code, pointer, "%s", e.Detail)
	default:
		f.fault(pointer, "%s", e.Detail)
	}
}

// answer is the error that lists all faults, nil where there are none. prefix
// comes before the first in its detail.
func (f *faults) answer(prefix string) error {
	if len(f.list) == 0 {
		return nil
	}
	code := f.code
	if code == "" {
		code = CodeInvalidRequest
	}
	return &Error{Code: code, Detail: prefix + f.list[0].Detail, Faults: f.list}
}
