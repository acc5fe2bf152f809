package http

import (
	"errors"
	"strconv"
	"strings"

	"eventhub/internal/hub"
)

// The engine names the keys of events by their place in a publication:
// /3/idempotency_key, or Idempotency-Key for that of the request.
const keyField = "/idempotency_key"

// placed is an error of the engine's whose pointers are to this body.
func (b eventsBody) placed(err error) error {
	return repoint(err, b.place)
}

// repoint is err with other pointers; the detail names the first of them.
func repoint(err error, place func(pointer string) string) error {
	var e *hub.Error
	if !errors.As(err, &e) || len(e.Faults) == 0 {
		return err
	}
	moved := *e
	moved.Faults = make([]hub.Fault, len(e.Faults))
	for i, fault := range e.Faults {
		moved.Faults[i] = hub.Fault{Pointer: place(fault.Pointer), Detail: fault.Detail}
	}
	moved.Detail = "nothing was stored: " + moved.Faults[0].Pointer + " " + moved.Faults[0].Detail
	return &moved
}

// place is where a key stands in the body, or in the header. That of a CloudEvent
// is its source and id, of which the latter is named.
func (b eventsBody) place(pointer string) string {
	at, isEvent := strings.CutSuffix(pointer, keyField)
	switch {
	case !isEvent:
		return placeOfRequest(pointer)
	case b.form == formBinaryCloudEvent:
		return "header ce-id"
	case !b.batch:
		at = ""
	}
	if b.form == formCloudEvent || b.form == formCloudEvents {
		return at + "/id"
	}
	return at + keyField
}

// place is where a key of one of its events stands in the whole body.
func (p *part) place(pointer string) string {
	at, isEvent := strings.CutSuffix(pointer, keyField)
	if !isEvent {
		return placeOfRequest(pointer)
	}
	i, err := strconv.Atoi(strings.TrimPrefix(at, "/"))
	if err != nil || i < 0 || i >= len(p.indexes) {
		return pointer
	}
	return "/" + strconv.Itoa(p.indexes[i]) + keyField
}

func placeOfRequest(pointer string) string {
	if pointer == idempotencyKey {
		return "header " + pointer
	}
	return pointer
}
