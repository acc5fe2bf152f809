package history

import (
	"cmp"
	"slices"
	"time"
)

// outages are the longest times without a confirmed publish to each stream while there
// were attempts: from one confirmation, or from when the first attempt after it began if
// nobody tried meanwhile, until the next, or until the last attempt has ended in vain.
// Finals are apart: they begin when all else has ended.
func outages(publishes []Publish) map[string]time.Duration {
	attempts := map[string][]Publish{}
	for _, p := range publishes {
		if !p.Channel && !p.Final {
			attempts[p.Topic] = append(attempts[p.Topic], p)
		}
	}
	longest := map[string]time.Duration{}
	for topic, list := range attempts {
		longest[topic] = outage(list)
	}
	return longest
}

// outage is the longest of one stream, of which there is an attempt.
func outage(attempts []Publish) (longest time.Duration) {
	slices.SortFunc(attempts, func(p, q Publish) int { return cmp.Compare(p.Ended, q.Ended) })
	// tried is when the first of those attempts began that ended no sooner than this one.
	tried := make([]time.Duration, len(attempts))
	for i := len(attempts) - 1; i >= 0; i-- {
		tried[i] = attempts[i].Began
		if i+1 < len(attempts) {
			tried[i] = min(tried[i], tried[i+1])
		}
	}
	since := tried[0]
	for i, p := range attempts {
		if p.Outcome != OK && i+1 < len(attempts) {
			continue
		}
		longest = max(longest, p.Ended-since)
		if i+1 < len(attempts) {
			since = max(p.Ended, tried[i+1])
		}
	}
	return longest
}
