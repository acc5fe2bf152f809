package hub

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Bounds of what a consumer may ask for.
const (
	MinAckWait  = 10 * time.Millisecond
	MaxAckWait  = 24 * time.Hour
	MaxPrefetch = 10_000
)

// SpecDefaults is what a consumer gets that does not say, and may not exceed.
type SpecDefaults struct {
	Prefetch   int
	MaxStreams int
}

// ParseConsumerSpec reads the raw query parameters of a consumer of sink. The error
// is an *Error that lists every fault.
func ParseConsumerSpec(sink, query string, defaults SpecDefaults) (ConsumerSpec, error) {
	spec := ConsumerSpec{Sink: sink, Prefetch: defaults.Prefetch}
	if err := CheckName("sink", sink); err != nil {
		return spec, err
	}
	p := parseQuery(query)
	p.known("stream", "from", "ack_wait", "prefetch", "consumer")
	spec.Streams = p.names("stream", "stream", defaults.MaxStreams)
	p.single("from", func(value string) error {
		spec.From = value
		if _, err := ParsePosition(value); err != nil {
			return err
		}
		return nil
	})
	p.single("ack_wait", func(value string) (err error) {
		spec.AckWait, err = ParseDuration(value, MinAckWait, MaxAckWait)
		spec.AckWait = spec.AckWait.Truncate(time.Millisecond) // as it is stored
		return err
	})
	p.single("prefetch", func(value string) (err error) {
		spec.Prefetch, err = strconv.Atoi(value)
		if err != nil || spec.Prefetch < 1 || spec.Prefetch > MaxPrefetch {
			return fmt.Errorf("want a whole number from 1 to %d", MaxPrefetch)
		}
		return nil
	})
	p.single("consumer", func(value string) error {
		spec.Label = value
		if reason := checkLabel(value); reason != "" {
			return fmt.Errorf("it %s", reason)
		}
		return nil
	})
	return spec, p.err()
}

// ParseChannels reads the raw query parameters of a broadcast subscriber.
func ParseChannels(query string, most int) ([]string, error) {
	p := parseQuery(query)
	p.known("channel")
	return p.names("channel", "channel", most), p.err()
}

// NoParams makes sure that a request has no query parameters, where none is
// known.
func NoParams(query string) error {
	if query == "" {
		return nil
	}
	p := parseQuery(query)
	p.known()
	return p.err()
}

// ParseDuration reads a duration string such as "30s" or "1h30m".
func ParseDuration(text string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf("%q is not a duration from %s to %s, such as 30s or 1h30m",
			clip(text), FormatDuration(least), FormatDuration(most))
	}
	return d, nil
}

// params reads query parameters and collects what is wrong with them.
type params struct {
	query  url.Values
	code   Code
	faults []Fault
}

func parseQuery(query string) params {
	values, err := url.ParseQuery(query)
	p := params{query: values}
	if err != nil {
		p.fault(CodeInvalidRequest, "", "the query is malformed: %s", err)
	}
	return p
}

func (p *params) fault(code Code, name, format string, args ...any) {
	if p.code == "" {
		p.code = code
	}
	p.faults = append(p.faults, Fault{Pointer: "?" + name, Detail: fmt.Sprintf(format, args...)})
}

func (p *params) err() error {
	if len(p.faults) == 0 {
		return nil
	}
	detail := p.faults[0].Detail
	if name := p.faults[0].Pointer[1:]; name != "" {
		detail = name + ": " + detail
	}
	return &Error{Code: p.code, Detail: detail, Faults: p.faults}
}

// known makes every other parameter a fault.
func (p *params) known(names ...string) {
	others := make([]string, 0, len(p.query))
	for name := range p.query {
		if !slices.Contains(names, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	for _, name := range others[:min(len(others), maxFaults)] {
		p.fault(CodeInvalidRequest, clip(name), "is not a known query parameter (known: %q)", names)
	}
}

func (p *params) single(name string, read func(string) error) {
	values := p.query[name]
	switch {
	case len(values) == 0:
	case len(values) > 1:
		p.fault(CodeInvalidRequest, name, "is given %d times", len(values))
	default:
		if err := read(values[0]); err != nil {
			p.fault(CodeInvalidRequest, name, "%s", detail(err))
		}
	}
}

// names reads a repeated parameter of 1 to most names; repetitions count once.
func (p *params) names(name, kind string, most int) []string {
	var names []string
	for _, value := range p.query[name] {
		if err := CheckName(kind, value); err != nil {
			p.fault(err.Code, name, "%s", err.Detail)
		} else if !slices.Contains(names, value) {
			names = append(names, value)
		}
	}
	switch {
	case len(p.query[name]) == 0:
		p.fault(CodeInvalidRequest, name, "is missing: name at least one %s", kind)
	case len(names) > most:
		p.fault(CodeInvalidRequest, name, "is given for %d names, at most %d are allowed on one connection", len(names), most)
	}
	return names
}

// detail is an error's text without the code.
func detail(err error) string {
	if e, ok := err.(*Error); ok { //nolint:errorlint // made just above, never wrapped
		return e.Detail
	}
	return err.Error()
}
