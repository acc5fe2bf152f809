package hub

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// MaxAckIDs bounds the ids of one acknowledging call.
const MaxAckIDs = 10_000

// maxReason bounds the reason of a nack, in bytes: a line, not a stack trace.
const maxReason = 1024

// verbs say how a settlement is written: an example, and what it has not done
// when it fails.
var verbs = [...]struct{ example, consequence string }{
	VerbAck:    {`{"stream":"orders","ids":["1763650000000-0"]}`, "nothing was acknowledged: "},
	VerbNack:   {`{"stream":"orders","ids":["1763650000000-0"],"delay":"5s"}`, "nothing was nacked: "},
	VerbExtend: {`{"stream":"orders","ids":["1763650000000-0"]}`, "nothing was extended: "},
}

// DecodeSettlement reads {"stream","ids"}, for VerbAck also {"stream","up_to"};
// VerbNack adds delay, reason and dead_letter. The error is an *Error that lists
// every fault.
func DecodeSettlement(verb Verb, body []byte) (Settlement, error) {
	var d decoder
	s := Settlement{Verb: verb}
	fields := []field{
		{"stream", func(at string, value []byte) { s.Stream = d.stream(at, value) }},
		{"ids", func(at string, value []byte) { s.Receipts = d.receipts(at, value, verb != VerbAck) }},
	}
	switch verb {
	case VerbAck:
		fields = append(fields, field{"up_to", func(at string, value []byte) {
			id := parse(&d, at, value, ParseID)
			s.UpTo = &id
		}})
	case VerbNack:
		fields = append(fields, s.nackFields(&d)...)
	case VerbExtend:
	}
	given, err := d.body(body, verbs[verb].example, fields...)
	if err != nil {
		return Settlement{}, err
	}
	d.need("", given, "stream")
	switch {
	case verb != VerbAck:
		d.need("", given, "ids")
	case !given["ids"] && !given["up_to"]:
		d.fault("/ids", "is missing (or give up_to)")
	case given["ids"] && given["up_to"]:
		d.fault("/up_to", "and ids are both given: want one of them")
	}
	if err := d.err(verbs[verb].consequence); err != nil {
		return Settlement{}, err
	}
	return s, nil
}

func (s *Settlement) nackFields(d *decoder) []field {
	return []field{
		{"delay", func(at string, value []byte) {
			delay := parse(d, at, value, ParseDelay)
			s.Delay = &delay
		}},
		{"reason", func(at string, value []byte) {
			s.Reason, _ = d.text(at, value)
			if reason := checkReason(s.Reason); reason != "" {
				d.fault(at, "%s", reason)
			}
		}},
		{"dead_letter", func(at string, value []byte) { s.DeadLetter = d.flag(at, value) }},
	}
}

// DecodeReceipts reads the ids of an acknowledging call: a JSON array, known to be
// valid JSON, of strings, and where attempts is set also of {"id","attempt"}. The
// error is an *Error that lists every fault.
func DecodeReceipts(value []byte, attempts bool) ([]Receipt, error) {
	var d decoder
	receipts := d.receipts("/ids", value[skipSpace(value, 0):], attempts)
	if err := d.err(""); err != nil {
		return nil, err
	}
	return receipts, nil
}

func (d *decoder) receipts(at string, value []byte, attempts bool) []Receipt {
	var receipts []Receipt
	n := d.array(at, value, MaxAckIDs, CodePayloadTooLarge, func(at string, element []byte) {
		if attempts {
			receipts = append(receipts, d.receipt(at, element))
		} else {
			receipts = append(receipts, Receipt{ID: parse(d, at, element, ParseID)})
		}
	})
	if n == 0 {
		d.fault(at, "is empty: name at least one event")
	}
	return receipts
}

func (d *decoder) receipt(at string, value []byte) (r Receipt) {
	switch value[0] {
	case '"':
		r.ID = parse(d, at, value, ParseID)
	case '{':
		given := d.object(at, value,
			field{"id", func(at string, value []byte) { r.ID = parse(d, at, value, ParseID) }},
			field{"attempt", func(at string, value []byte) { r.Attempt = d.whole(at, value, 1, math.MaxInt32) }})
		d.need(at, given, "id", "attempt")
	default:
		d.fault(at, `is neither a string nor an object such as {"id":"1763650000000-0","attempt":2}`)
	}
	return r
}

// CheckReason reports whether s may be the reason of a nack: up to 1024 bytes of
// UTF-8, without control characters but tabs and line breaks, as it may be a stack trace.
func CheckReason(s string) *Error {
	if reason := checkReason(s); reason != "" {
		return Errorf(CodeInvalidRequest, "reason %s", reason)
	}
	return nil
}

func checkReason(s string) string {
	if len(s) > maxReason {
		return fmt.Sprintf("is %d bytes long, at most %d are allowed", len(s), maxReason)
	}
	if !utf8.ValidString(s) {
		return "is not valid UTF-8"
	}
	for _, r := range s {
		if isControl(r) && r != '\t' && r != '\n' && r != '\r' {
			return fmt.Sprintf("contains the control character U+%04X", r)
		}
	}
	return ""
}
