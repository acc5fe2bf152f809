package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"eventhub/internal/hub"
)

// Status tells where a sink stands. Its figures are Redis's at this moment;
// consumers of other hubs may be 5 s old.
//
// Errors: CodeSinkNotFound, CodeUnavailable.
func (b *Broker) Status(ctx context.Context, name string) (hub.SinkStatus, error) {
	status := hub.SinkStatus{Sink: name}
	stored, err := b.settings(ctx, name)
	if err != nil {
		return status, err
	}
	status.Config = stored.config
	for _, stream := range status.Config.Streams {
		figures, err := b.exactFigures(ctx, name, stream)
		if err != nil {
			return status, err
		}
		status.Streams = append(status.Streams, figures)
	}
	status.Consumers = b.allConsumers(ctx, name)
	return status, nil
}

// unknownLag: Redis does not know the lag of a group made in mid-stream, nor
// after a deletion behind it. Counting tells, and costs.
const unknownLag = -1

// exactFigures are figures with the lag counted where Redis does not know it.
func (b *Broker) exactFigures(ctx context.Context, sink, stream string) (hub.SinkStreamStatus, error) {
	figures, err := b.figures(ctx, sink, stream)
	if err == nil && figures.Lag == unknownLag {
		figures.Lag, _, err = b.countLag(ctx, sink, stream, math.MaxInt64)
	}
	return figures, err
}

// figures reads a sink's place in one stream. A group that is gone counts as
// one that has read nothing: it is made again when it is used.
func (b *Broker) figures(ctx context.Context, sink, stream string) (hub.SinkStreamStatus, error) {
	figures := hub.SinkStreamStatus{Stream: stream}
	key := b.keys.log(stream)
	cmd := statsScript.call(b.keys.of(sink, stream), sink)
	if err := b.work(ctx, key, cmd); err != nil {
		return figures, readFailure(err, "reading the sink's figures")
	}
	answer, _ := cmd.Slice()
	if len(answer) != 9 {
		return figures, nil
	}
	length, lag, pending := number(answer[0]), number(answer[4]), number(answer[5])
	figures.Pending = pending
	figures.OldestPending = time.Duration(number(answer[6])) * time.Millisecond
	figures.Redelivered, figures.DeadLetters = number(answer[7]), number(answer[8])
	first, err1 := parseAny(answer[1])
	last, err2 := parseAny(answer[2])
	delivered, err3 := parseAny(answer[3])
	if err := cmp.Or(err1, err2, err3); err != nil {
		return figures, readFailure(err, "reading the sink's figures")
	}
	switch {
	case length == 0 || delivered.Compare(last) >= 0:
	case delivered.Compare(first) < 0:
		figures.Lag = length
	case lag >= 0 && !b.opts.CountLag:
		figures.Lag = lag
	default:
		figures.Lag = unknownLag
	}
	return figures, nil
}

// countLimit is how long counting may take in all.
const countLimit = 5 * time.Second

// countLag counts the entries that the group has not delivered, at most so many;
// exact is false when there are more.
func (b *Broker) countLag(ctx context.Context, sink, stream string, most int64) (count int64, exact bool, err error) {
	key := b.keys.log(stream)
	stats := statsScript.call(b.keys.of(sink, stream), sink)
	if err := b.work(ctx, key, stats); err != nil {
		return 0, false, readFailure(err, "counting what a sink has not read")
	}
	answer, _ := stats.Slice()
	if len(answer) != 9 {
		return 0, true, nil
	}
	after, err := parseAny(answer[3])
	if err != nil {
		return 0, false, readFailure(err, "counting what a sink has not read")
	}
	return b.countBetween(ctx, key, after, "+", most)
}

// countBetween counts the entries of a log behind an id and up to another, in
// pieces of about 1 MiB, which do not hold Redis up.
func (b *Broker) countBetween(ctx context.Context, key string, after hub.ID, last string, most int64) (count int64, exact bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, countLimit)
	defer cancel()
	usage, length := command("memory", "usage", key, "samples", 5), command("xlen", key)
	if err := b.work(ctx, key, length); err != nil {
		return 0, false, readFailure(err, "counting events")
	}
	piece := int64(1000)
	if b.work(ctx, key, usage) == nil { // a Redis that doesn't tell has small events
		bytes, _ := usage.Int64()
		entries, _ := length.Int64()
		piece = min(piece, max(2, (1<<20)/max(1, bytes/max(1, entries))))
	}
	for count < most {
		cmd := countScript.call([]string{key}, after.String(), last, piece)
		if err := b.work(ctx, key, cmd); err != nil {
			return 0, false, readFailure(err, "counting events")
		}
		counted, _ := cmd.Slice()
		if len(counted) != 2 {
			return count, true, nil
		}
		at, err := parseAny(counted[1])
		if err != nil {
			return 0, false, readFailure(err, "counting events")
		}
		if count += number(counted[0]); at == after {
			return count, true, nil
		}
		after = at
	}
	return count, false, nil
}

// readBefore is how many entries a log ever had up to an id, which lets Redis
// tell the lag of a group that begins there; "" where that is not to be had.
func (b *Broker) readBefore(ctx context.Context, key string, id hub.ID) string {
	if b.opts.CountLag {
		return "" // the embedded one knows no such thing
	}
	info := command("xinfo", "stream", key)
	if b.work(ctx, key, info) != nil {
		return "" // there is no log yet
	}
	fields, _ := info.Slice()
	var added int64
	last := "+"
	for i := 0; i+1 < len(fields); i += 2 {
		switch fields[i] {
		case "entries-added":
			added = number(fields[i+1])
		case "last-generated-id":
			last, _ = fields[i+1].(string)
		}
	}
	const most = 1_000_000
	behind, exact, err := b.countBetween(ctx, key, id, last, most)
	if err != nil || !exact || behind > added {
		return ""
	}
	return strconv.FormatInt(added-behind, 10)
}

func number(v any) int64 {
	n, _ := v.(int64)
	return n
}

func parseAny(v any) (hub.ID, error) {
	text, _ := v.(string)
	return hub.ParseID(text)
}

// allConsumers lists a sink's consumers on all hubs, the longest connected
// first. What other hubs told and cannot be read now is left out.
func (b *Broker) allConsumers(ctx context.Context, name string) []hub.ConsumerStatus {
	list := b.ownConsumers(name)
	for _, other := range b.alive.names() {
		if other == b.name {
			continue
		}
		key := b.keys.consumers(other)
		cmd := command("get", key)
		if b.work(ctx, key, cmd) != nil {
			continue
		}
		text, _ := cmd.Text()
		var told []hub.ConsumerStatus
		_ = json.Unmarshal([]byte(text), &told)
		for _, c := range told {
			if c.Sink == name {
				list = append(list, c)
			}
		}
	}
	slices.SortFunc(list, func(x, y hub.ConsumerStatus) int { return x.ConnectedSince.Compare(y.ConnectedSince) })
	return list
}
