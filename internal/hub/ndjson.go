package hub

import (
	"bytes"
	"strconv"
)

// DecodeLines is Decode for NDJSON, an event object a line. Blank lines are passed
// over, and pointers count events.
func (to Target) DecodeLines(body []byte, lim Limits) ([]Event, error) {
	if len(body) > lim.BatchBytes {
		return nil, TooLargeBody(lim)
	}
	d := decoder{limits: lim, to: to}
	var events []Event
	number := 0
	for line := range bytes.Lines(body) {
		number++
		start := skipSpace(line, 0)
		if start == len(line) {
			continue
		}
		at := "/" + strconv.Itoa(d.seen)
		if d.seen++; d.seen > lim.BatchEvents || d.full() {
			continue
		}
		if reason := checkJSON(line, lim.depth()); reason != "" {
			d.fault(at, "on line %d %s", number, reason)
			continue
		}
		events = append(events, d.event(at, line[start:]))
	}
	switch {
	case d.seen > lim.BatchEvents:
		return nil, tooManyEvents(d.seen, lim)
	case d.seen == 0:
		return nil, Errorf(CodeInvalidRequest, "there is no event: send at least one line")
	}
	if err := d.err(nothingStored); err != nil {
		return nil, err
	}
	return events, nil
}
