package broker

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"eventhub/internal/hub"
)

// Check says whether Consume would accept spec, without changing anything.
func (b *Broker) Check(ctx context.Context, spec hub.ConsumerSpec) error {
	_, err := b.define(ctx, spec, true)
	return err
}

// define stores the sink when it is new and adds spec's streams to it; with look
// it only compares, and a sink that does not exist is the zero config.
func (b *Broker) define(ctx context.Context, spec hub.ConsumerSpec, look bool) (hub.SinkConfig, error) {
	from, wait := spec.From, spec.AckWait
	if from == "" {
		from = "latest"
	}
	asked := flag(wait != 0)
	if wait == 0 {
		wait = b.opts.AckWait
	}
	args := []any{from, wait.Milliseconds(), asked, flag(look)}
	for _, stream := range spec.Streams {
		args = append(args, stream)
	}
	key := b.keys.sink(spec.Sink)
	cmd := defineScript.call([]string{key}, args...)
	if err := b.work(ctx, key, cmd); err != nil {
		return hub.SinkConfig{}, readFailure(err, "reading the sink's settings")
	}
	fields, err := cmd.StringSlice()
	if err != nil || len(fields) == 0 {
		return hub.SinkConfig{}, readFailure(err, "reading the sink's settings")
	}
	config := sinkConfig(fields)
	if spec.AckWait != 0 && spec.AckWait != config.AckWait {
		return config, hub.Errorf(hub.CodeConflict, "ack_wait: the sink %q has %s, the request says %s",
			spec.Sink, hub.FormatDuration(config.AckWait), hub.FormatDuration(spec.AckWait))
	}
	return config, nil
}

func flag(set bool) string {
	if set {
		return "1"
	}
	return "0"
}

// sinkConfig reads the settings as HGETALL answers them.
func sinkConfig(fields []string) hub.SinkConfig {
	var config hub.SinkConfig
	for i := 0; i+1 < len(fields); i += 2 {
		switch name, value := fields[i], fields[i+1]; {
		case name == "from":
			config.From = value
		case name == "ack_wait_ms":
			ms, _ := strconv.ParseInt(value, 10, 64)
			config.AckWait = time.Duration(ms) * time.Millisecond
		case strings.HasPrefix(name, "stream:"):
			config.Streams = append(config.Streams, name[len("stream:"):])
		}
	}
	slices.Sort(config.Streams)
	return config
}

// attach makes sure that the sink's group exists on a stream. last is the last
// id of its log; met says whether the sink is new to the stream.
func (b *Broker) attach(ctx context.Context, spec hub.ConsumerSpec, config hub.SinkConfig, stream string) (last hub.ID, met bool, err error) {
	from := spec.From
	if from == "" {
		from = config.From
	}
	position, fault := hub.ParsePosition(from)
	if fault != nil {
		return last, false, fault
	}
	start := "$"
	if after, ok := position.After(); ok {
		start = after.String()
	}
	if b.serves(spec.Sink, stream) {
		// Everything of it was lost in Redis, or it would not be new. Others here
		// are owed what came since.
		start = "0-0"
	}
	key := b.keys.log(stream)
	cmd := attachScript.call([]string{key, b.keys.sinkState(stream, spec.Sink)}, spec.Sink, start)
	if err := b.work(ctx, key, cmd); err != nil {
		return last, false, failure(err, "attaching the sink to "+stream)
	}
	answer, err := cmd.Slice()
	if err != nil || len(answer) != 3 {
		return last, false, failure(err, "attaching the sink to "+stream)
	}
	text, _ := answer[1].(string)
	last, err = hub.ParseID(text)
	return last, answer[0] == int64(1), failure(err, "attaching the sink to "+stream)
}
