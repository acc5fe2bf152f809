package main

import (
	"cmp"
	"time"

	"eventhub/test/faults/history"
)

// scenario is one way to break something, under load.
type scenario struct {
	name     string
	what     string // is done, in a sentence of docs/faults.md
	topology string
	proxied  bool
	redis    []string // arguments of redis-server, of a single one
	settings []string // of the hubs
	load     loadOptions
	short    bool // CI runs it
	bounds   history.Bounds
	warm     time.Duration

	fault func(r *rig)
	check func(h *history.History, v *history.Verdict) // what else is to hold, nil for nothing
	// What the project promises of times, 0 for nothing: how long publishing may be
	// interrupted, how long an event may wait for its first delivery, and how long one that
	// is published when the fault has ended.
	outage, latest, recovery time.Duration
	broken                   map[string]history.Violation // build tags of hubs that must fail it, and by what
}

func (s *scenario) warmUp() time.Duration { return cmp.Or(s.warm, 1500*time.Millisecond) }

// slack is what a busy machine may take beyond what is promised before that counts as
// broken: the load, the hubs and Redis share its cores.
const slack = 6 * time.Second

// ackWait is that of the sinks, unless a scenario says so.
const ackWait = 3 * time.Second

// pace is that of each of the four publishers of events, and of the two of messages.
const pace = 40 * time.Millisecond

// scenarios lists all, in the order of the report.
func scenarios() []*scenario {
	var all []*scenario
	for _, list := range [][]*scenario{hubScenarios(), redisScenarios(), networkScenarios(), dataScenarios(), failoverScenarios(), clientScenarios()} {
		all = append(all, list...)
	}
	for _, s := range all {
		s.load.pace = cmp.Or(s.load.pace, pace)
		s.load.ackWait = cmp.Or(s.load.ackWait, ackWait)
		s.topology = cmp.Or(s.topology, single)
	}
	return all
}
