package hub

import (
	"fmt"
	"time"
)

// Bounds of what a consumer may ask for.
const (
	MaxPrefetch     = 10_000
	maxBytesMost    = 1 << 30
	maxBytesDefault = 16 << 20
	minLatency      = time.Millisecond
	maxLatency      = time.Minute
)

// What a consumer gets that asks for batches, and does not say all of how.
const (
	defaultLatency = 100 * time.Millisecond
	defaultBatch   = 100 // where the prefetch is 0
)

// SpecDefaults is what a consumer gets that does not say, and may not exceed.
type SpecDefaults struct {
	Prefetch   int
	MaxStreams int
}

// ParseConsumerSpec reads the raw query parameters of a socket that consumes a
// sink. The error is an *Error that lists every fault.
func ParseConsumerSpec(sink, query string, defaults SpecDefaults) (ConsumerSpec, error) {
	if err := CheckName("sink", sink); err != nil {
		return ConsumerSpec{}, err
	}
	p := parseQuery(query)
	p.known(specParams("prefetch", "max_bytes", "batch", "max_latency")...)
	p.need("stream")
	spec := p.spec(sink, defaults)
	spec.Prefetch = defaults.Prefetch
	p.whole("prefetch", &spec.Prefetch, 0, MaxPrefetch)
	p.whole("max_bytes", &spec.MaxBytes, 1, maxBytesMost)
	p.whole("batch", &spec.Batch, 1, MaxPrefetch)
	p.single("max_latency", func(value string) (err error) {
		spec.MaxLatency, err = parseMillis(value, minLatency, maxLatency)
		return err
	})
	p.gather(&spec)
	return spec, p.err()
}

// ParsePullSpec reads the raw query parameters of a pull from a sink. It may leave
// out the streams, meaning those that the sink has. The error is an *Error that
// lists every fault.
func ParsePullSpec(sink, query string, defaults SpecDefaults) (ConsumerSpec, error) {
	if err := CheckName("sink", sink); err != nil {
		return ConsumerSpec{}, err
	}
	p := parseQuery(query)
	p.known(specParams()...)
	spec := p.spec(sink, defaults)
	return spec, p.err()
}

// specParams are the query parameters of every consumer, and others.
func specParams(others ...string) []string {
	names := []string{"stream"}
	for _, s := range settings {
		names = append(names, s.param)
	}
	return append(append(names, "consumer"), others...)
}

// spec reads the parameters of every consumer.
func (p *params) spec(sink string, defaults SpecDefaults) ConsumerSpec {
	spec := ConsumerSpec{
		Sink:     sink,
		Streams:  p.names("stream", defaults.MaxStreams),
		Settings: p.settings(),
		MaxBytes: maxBytesDefault,
	}
	p.single("consumer", func(value string) error {
		spec.Label = value
		if reason := checkLabel(value); reason != "" {
			return fmt.Errorf("it %s", reason)
		}
		return nil
	})
	return spec
}

func (p *params) settings() SinkSettings {
	said := SinkSettings{}
	for _, s := range settings {
		if s.list {
			if values := p.repeated(s.param, s.most, s.read); len(values) > 0 {
				said[s.name] = s.canonical(values)
			}
			continue
		}
		p.single(s.param, func(value string) (err error) {
			said[s.name], err = s.read(value)
			return err
		})
	}
	return said
}

// gather completes how a consumer's events are gathered, by what it said of it.
func (p *params) gather(spec *ConsumerSpec) {
	if p.has("max_latency") && !p.has("batch") {
		if spec.Batch = spec.Prefetch; spec.Batch == 0 {
			spec.Batch = defaultBatch
		}
	}
	if p.has("batch") && !p.has("max_latency") {
		spec.MaxLatency = defaultLatency
	}
	switch {
	case !p.has("prefetch"):
		spec.Prefetch = max(spec.Prefetch, spec.Batch)
	case spec.Prefetch != 0 && spec.Batch > spec.Prefetch:
		p.fault("?batch", "%d is more than the prefetch of %d, so no batch would ever be full", spec.Batch, spec.Prefetch)
	}
}
