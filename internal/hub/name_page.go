package hub

import "fmt"

// ParseNamePage reads the raw query parameters of a list of streams or channels:
// those of ParsePage, and the prefix of their names. The error is an *Error that
// lists every fault.
func ParseNamePage(query string, most int) (prefix string, limit int, after string, err error) {
	p := parseQuery(query)
	p.known("prefix", "limit", "cursor")
	limit = min(defaultPage, most)
	p.single("prefix", func(value string) error {
		if prefix = value; value != "" && !validName(value) {
			return fmt.Errorf("%q does not begin any name", clip(value))
		}
		return nil
	})
	p.whole("limit", &limit, 1, most)
	p.single("cursor", func(value string) error {
		if after = value; value != "" && !validName(value) {
			return fmt.Errorf("%q is none that a list gave", clip(value))
		}
		return nil
	})
	return prefix, limit, after, p.err()
}
