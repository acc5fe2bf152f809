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

	once     bool     // one run is enough, or more would take too long
	settings []string // of the hub, as in its environment
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
		relay = "PUBLISH to one SUBSCRIBE"
		alone = "the same without those"
	)
	return []row{
		{name: "publish-1", work: "events stored, one a POST, 64 connections", yardstick: post, hub: publish(single), raw: empty(single)},
		{name: "publish-100", work: "events stored, 100 a POST, 8 connections", yardstick: xadd, hub: publish(batched), raw: rawAdd},
		{name: "sink-1", work: "events consumed and acked, 1 consumer", yardstick: group, hub: consume(1, ackFrames), raw: rawConsume(1)},
		{name: "sink-4", work: "the same, 4 consumers", yardstick: group, hub: consume(4, ackFrames), raw: rawConsume(4)},
		{name: "sink-4-each", work: "the same, an ack frame per event", yardstick: group, hub: consume(4, ackEvents), raw: rawConsume(4)},
		{name: "broadcast-100", work: "deliveries to 100 subscribers", hub: broadcast(100)},
		{name: "broadcast-1000", work: "deliveries to 1,000 subscribers", hub: broadcast(1000)},
		{name: "broadcast-5000", work: "deliveries to 5,000 subscribers", hub: broadcast(5000)},
		{name: "broadcast-10000", work: "deliveries to 10,000 subscribers", hub: broadcast(10_000), once: true},
		{name: "idle-socket", work: "memory of 5,000 idle broadcast sockets", hub: idle(5000), once: true},
		{name: "latency", work: fmt.Sprintf("publish to sink socket, %d/s", opts.rate), yardstick: xread, hub: latencyOfHub, raw: latencyOfRedis},
		{name: "fanout-5000", work: "publish to the last of 5,000 subscribers", yardstick: relay, hub: fanout(5000), raw: rawFanout},
		{
			name: "slow-clients-drop", work: "publish to 200 subscribers, beside 200 that never read, slow=drop",
			yardstick: alone, hub: besideSlow(dropping), raw: besideNobody, settings: patientWrites,
		},
		{
			name: "slow-clients-disconnect", work: "the same, slow=disconnect",
			yardstick: alone, hub: besideSlow(disconnecting), raw: besideNobody, settings: patientWrites,
		},
	}
}

// runLimit is how much longer than twice -duration one run of a row may take.
const runLimit = 60 * time.Second

// measure does one row: as many runs as asked for, each with its yardstick right
// before it, so that what else the machine does meets both alike.
func measure(ctx context.Context, row row, opts options, dir string, progress io.Writer) (result result) {
	result.Name, result.Work, result.Yardstick = row.name, row.work, row.yardstick
	rig, err := newRig(ctx, opts, dir, row.settings)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	defer rig.close()
	runs := opts.runs
	if row.once {
		runs = 1
	}
	for i := range runs {
		_, _ = fmt.Fprintf(progress, "%s %d/%d\n", row.name, i+1, runs)
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
