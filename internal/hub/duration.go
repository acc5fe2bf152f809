package hub

import (
	"fmt"
	"strings"
	"time"
)

// maxDelay bounds the delay before an event's next delivery.
const maxDelay = 720 * time.Hour

// ParseDuration reads a duration string such as "30s" or "1h30m".
func ParseDuration(text string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf("%q is not a duration from %s to %s, such as 30s or 1h30m",
			clip(text), FormatDuration(least), FormatDuration(most))
	}
	return d, nil
}

// parseMillis is ParseDuration in whole milliseconds, as durations are stored.
func parseMillis(text string, least, most time.Duration) (time.Duration, error) {
	d, err := ParseDuration(text, least, most)
	return d.Truncate(time.Millisecond), err
}

// ParseDelay reads the delay before an event's next delivery, in whole
// milliseconds.
func ParseDelay(text string) (time.Duration, error) {
	return parseMillis(text, 0, maxDelay)
}

// FormatDuration writes a duration as briefly as ParseDuration reads it: "30s",
// "1h30m", "720h", "0s".
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
