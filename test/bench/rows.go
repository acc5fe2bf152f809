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

	goals    []goal
	runs     int      // 0: three; -runs says otherwise
	once     bool     // each run would need a new hub, so there is one, whatever -runs says
	settings []string // of the hub, and of a yardstick that is a server, as in the environment
}

// probe does a row's work once.
type probe func(ctx context.Context, r *rig) (sample, error)

// rows lists what can be measured. A name says the work first, then its size.
func rows(opts options) []row {
	const (
		post  = "empty net/http handler"
		xadd  = "pipelined XADD"
		group = "XREADGROUP and XACK"
		loops = "a goroutine and a Conn.Write for each socket"
		xread = "XADD to blocking XREAD"
		relay = "PUBLISH to one SUBSCRIBE"
		alone = "the same without those"
	)
	batches := func(ratio float64) []goal {
		return []goal{ratioGoal(ratio), commandsGoal("reads", 0.05, "xreadgroup"), commandsGoal("acks", 0.05, "xack")}
	}
	return []row{
		{
			name: "publish-1", work: "events stored, one a POST, 64 connections",
			yardstick: post, hub: publish(single), raw: empty(single), goals: []goal{ratioGoal(0.60)},
		},
		{
			name: "publish-1-core", work: "the same, hub and yardstick with GOMAXPROCS=1",
			yardstick: post, hub: publish(single), raw: empty(single), goals: []goal{ratioGoal(0.60)}, settings: []string{"GOMAXPROCS=1"},
		},
		{
			name: "publish-bare", work: "as publish-1, through a program without what a hub is for",
			yardstick: post, hub: publishGrouped(single), raw: empty(single),
		},
		{
			name: "publish-callers", work: "events stored, one a POST, 100 connections",
			hub: publish(callers), goals: []goal{commandsGoal("Redis commands", 1.1)}, runs: 1,
		},
		{
			name: "publish-100", work: "events stored, 100 a POST, 8 connections",
			yardstick: xadd, hub: publish(batched), raw: rawAdd, goals: []goal{ratioGoal(0.35), ratioGoal(0.50).stretch()},
		},
		{name: "sink-1", work: "events consumed and acked, 1 consumer", yardstick: group, hub: consume(1, ackFrames), raw: rawConsume(1), runs: 1},
		{name: "sink-4", work: "the same, 4 consumers", yardstick: group, hub: consume(4, ackFrames), raw: rawConsume(4), goals: batches(0.50)},
		{
			name: "sink-4-each", work: "the same, an ack frame per event",
			yardstick: group, hub: consume(4, ackEvents), raw: rawConsume(4), goals: batches(0.25),
		},
		{
			name: "broadcast-100", work: "deliveries to 100 subscribers",
			yardstick: loops, hub: broadcast(100), raw: plainBroadcast(100), goals: []goal{rateGoal(550_000)},
		},
		{
			name: "broadcast-1000", work: "deliveries to 1,000 subscribers",
			yardstick: loops, hub: broadcast(1000), raw: plainBroadcast(1000),
			goals: []goal{ratioGoal(2.8), rateGoal(600_000), redisGoal(0.1)},
		},
		{name: "broadcast-5000", work: "deliveries to 5,000 subscribers", hub: broadcast(5000), goals: []goal{rateGoal(280_000)}},
		{name: "broadcast-10000", work: "deliveries to 10,000 subscribers", hub: broadcast(10_000), goals: []goal{rateGoal(250_000)}, runs: 1},
		{
			name: "readers-1000", work: "deliveries to 1,000 readers of one stream",
			yardstick: "broadcast to 1,000 subscribers", hub: readers(1000), raw: broadcast(1000), goals: []goal{ratioGoal(0.8)},
		},
		{
			name: "idle-socket", work: "memory of 10,000 idle broadcast sockets",
			hub: idle(10_000), goals: []goal{socketGoal(20), socketGoal(14).stretch()}, once: true,
		},
		{
			name: "latency", work: fmt.Sprintf("publish to sink socket, %d/s", opts.rate),
			yardstick: xread, hub: latencyOfHub(1), raw: latencyOfRedis(1), goals: []goal{addedP50Goal(150), addedP99Goal(1000)}, runs: 5,
		},
		{
			name: "latency-bare", work: "the same, through a program without what a hub is for",
			yardstick: xread, hub: latencyOfBare(1), raw: latencyOfRedis(1), runs: 5,
		},
		{
			name: "latency-10000", work: fmt.Sprintf("publish to sink socket, %d/s", 10*opts.rate),
			yardstick: xread, hub: latencyOfHub(10), raw: latencyOfRedis(10), goals: []goal{p99Goal(5000)},
		},
		{
			name: "latency-bare-10000", work: "the same, through a program without what a hub is for",
			yardstick: xread, hub: latencyOfBare(10), raw: latencyOfRedis(10),
		},
		{name: "fanout-5000", work: "publish to the last of 5,000 subscribers", yardstick: relay, hub: fanout(5000), raw: rawFanout, runs: 1},
		{
			name: "slow-clients-drop", work: "publish to 200 subscribers, beside 200 that never read, slow=drop",
			yardstick: alone, hub: besideSlow(dropping), raw: besideNobody, goals: []goal{p99RatioGoal(2)}, runs: 1, settings: patientWrites,
		},
		{
			name: "slow-clients-disconnect", work: "the same, slow=disconnect",
			yardstick: alone, hub: besideSlow(disconnecting), raw: besideNobody, goals: []goal{p99RatioGoal(2)}, runs: 1, settings: patientWrites,
		},
	}
}

// runLimit is how much longer than twice -duration one run of a row may take.
const runLimit = 60 * time.Second

// measure does one row: as many runs as asked for, each with its yardstick right
// before it, so that what else the machine does meets both alike.
func measure(ctx context.Context, row row, opts options, dir string, progress io.Writer) (result result) {
	result.Name, result.Work, result.Yardstick = row.name, row.work, row.yardstick
	start := time.Now()
	defer func() { result.Took = time.Since(start).Seconds() }()
	rig, err := newRig(ctx, opts, dir, row.settings)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	defer rig.close()
	runs := row.times(opts.runs)
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
	result.judge(row.goals)
	return result
}

// times is how often the row is measured, when so many are asked for; 0: none said.
func (r row) times(asked int) int {
	const usual = 3
	switch {
	case r.once:
		return 1
	case asked > 0:
		return asked
	case r.runs > 0:
		return r.runs
	}
	return usual
}
