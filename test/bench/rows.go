package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// row is one line of the table.
type row struct {
	name      string
	work      string // what is counted
	yardstick string // what it is compared with, "" for nothing

	hub probe // measures the hub
	raw probe // measures the yardstick; nil for none
}

// probe does a row's work once.
type probe func(ctx context.Context, r *rig) (sample, error)

// rows lists what can be measured. A name says the work first, then its size.
func rows(opts options) []row {
	const (
		post  = "empty net/http handler"
		xadd  = "pipelined XADD"
		group = "XREADGROUP and XACK"
		xread = "XADD to blocking XREAD"
	)
	return []row{
		{"publish-1", "events stored, one a POST, 64 connections", post, publish(single), empty(single)},
		{"publish-100", "events stored, 100 a POST, 8 connections", xadd, publish(batched), rawAdd},
		{"sink-1", "events consumed and acked, 1 consumer", group, consume(1, ackFrames), rawConsume(1)},
		{"sink-4", "the same, 4 consumers", group, consume(4, ackFrames), rawConsume(4)},
		{"sink-4-each", "the same, an ack frame per event", group, consume(4, ackEvents), rawConsume(4)},
		{"broadcast-100", "deliveries to 100 subscribers", "", broadcast(100), nil},
		{"broadcast-1000", "deliveries to 1,000 subscribers", "", broadcast(1000), nil},
		{"latency", fmt.Sprintf("publish to sink socket, %d/s", opts.rate), xread, latencyOfHub, latencyOfRedis},
	}
}

// runLimit is how much longer than -duration one run of a row may take.
const runLimit = 60 * time.Second

// measure does one row: as many runs as asked for, each with its yardstick right
// before it, so that what else the machine does meets both alike.
func measure(ctx context.Context, row row, opts options, dir string, progress io.Writer) (result result) {
	result.Name, result.Work, result.Yardstick = row.name, row.work, row.yardstick
	rig, err := newRig(ctx, opts, dir)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	defer rig.close()
	for i := range opts.runs {
		_, _ = fmt.Fprintf(progress, "%s %d/%d\n", row.name, i+1, opts.runs)
		if row.raw != nil {
			s, err := rig.once(ctx, row.raw)
			if err != nil {
				result.Error = fmt.Sprintf("measuring the yardstick, %s: %s", row.yardstick, err)
				return result
			}
			result.Raw.add(s)
		}
		s, err := rig.once(ctx, row.hub)
		if err != nil {
			result.Error = err.Error() + rig.hub.lastWords()
			return result
		}
		result.Hub.add(s)
	}
	result.compare()
	return result
}
