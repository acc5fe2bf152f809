package hub

import "time"

// Bounds of a page of events.
const (
	maxPageEvents = 1000
	maxPageWait   = time.Minute
)

// readerParams are the query parameters of whatever reads.
var readerParams = []string{"from", "topic", "type"}

// ParseReaderSpec reads the raw query parameters of a reader. fromText is the
// start position as it was asked for, latest where it was not. The error is an
// *Error that lists every fault.
func ParseReaderSpec(query string, maxStreams int) (spec ReaderSpec, fromText string, err error) {
	p := parseQuery(query)
	p.known(append([]string{"stream"}, readerParams...)...)
	p.need("stream")
	spec.Streams = p.names("stream", maxStreams)
	fromText = p.reader(&spec, "latest")
	return spec, fromText, p.err()
}

// ParsePageSpec reads the raw query parameters of a page of a stream's events:
// those of a reader, which starts at the oldest, limit (1 to 1000, default 100) and
// wait, how long to wait for the first (at most 1m, default 0s). The error is an
// *Error that lists every fault.
func ParsePageSpec(stream, query string) (spec ReaderSpec, limit int, wait time.Duration, err error) {
	if err := CheckName("stream", stream); err != nil {
		return ReaderSpec{}, 0, 0, err
	}
	p := parseQuery(query)
	p.known(append([]string{"limit", "wait"}, readerParams...)...)
	spec.Streams = []string{stream}
	p.reader(&spec, "oldest")
	limit = defaultPage
	p.whole("limit", &limit, 1, maxPageEvents)
	p.single("wait", func(value string) (err error) {
		wait, err = parseMillis(value, 0, maxPageWait)
		return err
	})
	return spec, limit, wait, p.err()
}

// reader reads what every reader may say beyond its streams, which spec has
// already. It returns the text of its start position.
func (p *params) reader(spec *ReaderSpec, from string) string {
	p.single("from", func(value string) error {
		from = value
		return nil
	})
	if err := spec.start(from); err != nil {
		p.refuse("?from", err)
	}
	spec.Topics = p.repeated("topic", maxPatterns, readPattern)
	spec.Types = p.repeated("type", maxPatterns, readPattern)
	return from
}

// Resume has the reader go on behind what its client has seen last, an event's id
// or a cursor, wherever it was to start.
func (s *ReaderSpec) Resume(last string) error {
	if err := s.start("after:" + last); err != nil {
		return &Error{
			Code: err.Code, Detail: "Last-Event-ID: " + err.Detail,
			Faults: []Fault{{Pointer: "header Last-Event-ID", Detail: err.Detail}},
		}
	}
	return nil
}

// start sets the position, which must be one in each of the streams.
func (s *ReaderSpec) start(from string) *Error {
	position, err := ParsePosition(from)
	if err != nil {
		return err
	}
	for _, stream := range s.Streams {
		if _, err := position.In(stream); err != nil {
			return err
		}
	}
	s.From = position
	return nil
}
