package hub

import "time"

// What a pull gets that does not say, and the longest it may wait.
const (
	defaultPull = 100
	maxPullWait = time.Minute
)

// DecodePull reads {"max":100,"wait":"20s"}, the most events to answer (1 to
// MaxPrefetch, default 100) and how long to wait for the first (at most 1m, default
// 0s). An empty body says neither. The error is an *Error that lists every fault.
func DecodePull(body []byte) (most int, wait time.Duration, err error) {
	most = defaultPull
	if skipSpace(body, 0) == len(body) {
		return most, 0, nil
	}
	var d decoder
	_, err = d.body(body, `{"max":100,"wait":"20s"}`,
		field{"max", func(at string, value []byte) { most = d.whole(at, value, 1, MaxPrefetch) }},
		field{"wait", func(at string, value []byte) {
			wait = parse(&d, at, value, func(text string) (time.Duration, error) { return parseMillis(text, 0, maxPullWait) })
		}})
	if err == nil {
		err = d.err("nothing was pulled: ")
	}
	if err != nil {
		return 0, 0, err
	}
	return most, wait, nil
}
