package hub

import "time"

// How long a ticket may wait for its use.
const (
	defaultTicketTTL = 30 * time.Second
	minTicketTTL     = time.Second
	maxTicketTTL     = 5 * time.Minute
)

// DecodeTicket reads {"ttl":"30s"}, how long a ticket that nobody uses is good (1s to
// 5m, default 30s). An empty body does not say. The error is an *Error that lists every
// fault.
func DecodeTicket(body []byte) (ttl time.Duration, err error) {
	ttl = defaultTicketTTL
	if skipSpace(body, 0) == len(body) {
		return ttl, nil
	}
	var d decoder
	_, err = d.body(body, `{"ttl":"30s"}`, field{"ttl", func(at string, value []byte) {
		ttl = parse(&d, at, value, func(text string) (time.Duration, error) { return parseMillis(text, minTicketTTL, maxTicketTTL) })
	}})
	if err == nil {
		err = d.err("no ticket was made: ")
	}
	if err != nil {
		return 0, err
	}
	return ttl, nil
}
