package hub

import "fmt"

// defaultPage is how much of a list is answered when the caller does not say.
const defaultPage = 100

// ParsePage reads the raw query parameters of a list: limit (1 to most, default
// 100) and cursor, or the one of them that is known. The error is an *Error that
// lists every fault.
func ParsePage(query string, most int, known ...string) (limit int, cursor string, err error) {
	p := parseQuery(query)
	p.known(known...)
	limit = min(defaultPage, most)
	p.whole("limit", &limit, 1, most)
	p.single("cursor", func(value string) error {
		cursor = value
		if reason := checkLabel(value); reason != "" {
			return fmt.Errorf("it %s", reason)
		}
		return nil
	})
	return limit, cursor, p.err()
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
