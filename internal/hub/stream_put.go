package hub

import (
	"fmt"
	"time"
)

// Bounds of a stream's settings.
const (
	maxEventsMost = 1_000_000_000_000
	minTTL        = time.Second
	maxTTL        = 87_600 * time.Hour
)

// DecodeStreamConfig reads the body of a PUT of a stream, which may be empty: what
// it leaves out is as in defaults. The error is an *Error that lists every fault.
func DecodeStreamConfig(body []byte, defaults StreamConfig) (StreamConfig, error) {
	if skipSpace(body, 0) == len(body) {
		return defaults, nil
	}
	var d decoder
	config := defaults
	if _, err := d.body(body, `{"max_events":1000000,"max_age":"168h"}`, d.streamFields(&config)...); err != nil {
		return StreamConfig{}, err
	}
	if err := d.err("nothing was changed: "); err != nil {
		return StreamConfig{}, err
	}
	return config, nil
}

// DecodeStreams reads streams that are declared by name, each with what
// DecodeStreamConfig reads. The error is an *Error that lists every fault.
func DecodeStreams(body []byte, defaults StreamConfig) (map[string]StreamConfig, error) {
	if err := CheckJSON(body); err != nil {
		return nil, err
	}
	start := skipSpace(body, 0)
	if body[start] != '{' {
		return nil, Errorf(CodeInvalidRequest, `want an object of streams such as {"orders":{"max_events":1000},"payments":{}}`)
	}
	var d decoder
	streams := map[string]StreamConfig{}
	EachMember(body[start:], func(name string, value []byte) {
		at := "/" + pointerEscape(name)
		if _, twice := streams[name]; twice {
			d.fault(at, "is given twice")
		}
		if err := CheckName("stream", name); err != nil {
			d.refuse(at, err)
		}
		config := defaults
		if value[0] == '{' {
			d.object(at, value, d.streamFields(&config)...)
		} else {
			d.fault(at, "is not an object")
		}
		streams[name] = config
	})
	if err := d.err(""); err != nil {
		return nil, err
	}
	return streams, nil
}

// streamFields are those of a stream's settings, read into config.
func (d *decoder) streamFields(config *StreamConfig) []field {
	return []field{
		{"max_events", func(at string, value []byte) { config.MaxEvents = d.maxEvents(at, value) }},
		{"max_age", func(at string, value []byte) { config.MaxAge = parse(d, at, value, parseAge) }},
		{"on_full", func(at string, value []byte) { config.OnFull = parse(d, at, value, readOnFull) }},
		{"ttl", func(at string, value []byte) { config.TTL, config.Sliding = d.ttl(at, value) }},
	}
}

func (d *decoder) maxEvents(at string, value []byte) int64 {
	n, err := parseDigits(string(value))
	if err != nil || n > maxEventsMost {
		d.fault(at, "%q is not a whole number from 0 (no bound) to %d", clip(string(value)), int64(maxEventsMost))
		return 0
	}
	return int64(n)
}

// ttl reads null, for none, or {"after","sliding"}.
func (d *decoder) ttl(at string, value []byte) (after time.Duration, sliding bool) {
	switch value[0] {
	case 'n':
		return 0, false
	case '{':
	default:
		d.fault(at, `is neither null nor an object such as {"after":"1h","sliding":false}`)
		return 0, false
	}
	given := d.object(at, value,
		field{"after", func(at string, value []byte) {
			after = parse(d, at, value, func(text string) (time.Duration, error) { return parseMillis(text, minTTL, maxTTL) })
		}},
		field{"sliding", func(at string, value []byte) { sliding = d.flag(at, value) }})
	d.need(at, given, "after")
	return after, sliding
}

// parseAge has the bounds of expires_after: 0 is never.
func parseAge(text string) (time.Duration, error) {
	text, err := readExpiresAfter(text)
	return canonicalDuration(text), err
}

func readOnFull(text string) (string, error) {
	if text != OnFullDropOldest && text != OnFullReject {
		return "", fmt.Errorf("%q is not known (want %s or %s)", clip(text), OnFullDropOldest, OnFullReject)
	}
	return text, nil
}
