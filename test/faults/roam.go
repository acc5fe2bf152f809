package main

import "time"

// roam has a client visit one hub after another, from the first on, until there is no more
// to be done. A visit lasts until its connection ends, and says how long to stay away if it
// was told; its error is that it could not connect. jitter is from 0 to 1.
func (l *load) roam(first int, jitter func() float64, visit func(at *node) (after string, err error)) {
	for at, failures := first, 0; ; at++ {
		after, err := visit(l.hub(at))
		if err != nil {
			failures++
		} else {
			failures = 0
		}
		if !l.reconnect(failures, after, jitter()) {
			return
		}
	}
}

// reconnect waits before a client connects again: as long as a drain says, or longer with
// each failure, with jitter.
func (l *load) reconnect(failures int, after string, jitter float64) bool {
	wait := min(50*time.Millisecond<<min(failures, 5), time.Second)
	if d, err := time.ParseDuration(after); err == nil && after != "" {
		wait = d
	} else {
		wait = time.Duration(float64(wait) * (0.5 + jitter))
	}
	return rest(l.ctx, wait)
}
