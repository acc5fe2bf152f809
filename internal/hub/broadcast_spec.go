package hub

import "fmt"

// ParseBroadcastSpec reads the raw query parameters of a broadcast subscriber:
// channel (at least one, at most so many), topic, type, and slow. The error is an
// *Error that lists every fault.
func ParseBroadcastSpec(query string, maxChannels int) (BroadcastSpec, error) {
	p := parseQuery(query)
	p.known("channel", "topic", "type", "slow")
	p.need("channel")
	spec := BroadcastSpec{Channels: p.names("channel", maxChannels), Slow: SlowDisconnect}
	spec.Topics = p.repeated("topic", maxPatterns, readPattern)
	spec.Types = p.repeated("type", maxPatterns, readPattern)
	p.single("slow", func(value string) error {
		if value != SlowDisconnect && value != SlowDrop {
			return fmt.Errorf("%q: want disconnect or drop", clip(value))
		}
		spec.Slow = value
		return nil
	})
	return spec, p.err()
}
