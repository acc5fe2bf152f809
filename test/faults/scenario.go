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
	// outage is how long publishing may be interrupted, and recovery how long events may
	// take from the end of the fault, as the project promises it; 0: nothing is promised.
	outage, recovery time.Duration
	broken           []string // build tags of hubs that must fail it
}

func (s *scenario) warmUp() time.Duration { return cmp.Or(s.warm, 1500*time.Millisecond) }

// slack is what a busy machine may take beyond what is promised before that counts as
// broken: the load, the hubs and Redis share its cores.
const slack = 6 * time.Second

// ackWait is that of the sinks, unless a scenario says so.
const ackWait = 3 * time.Second

func standardLoad() loadOptions { return loadOptions{pace: 40 * time.Millisecond, ackWait: ackWait} }

// scenarios lists all, in the order of the report.
func scenarios() []*scenario {
	var all []*scenario
	for _, list := range [][]*scenario{hubScenarios(), redisScenarios(), networkScenarios(), dataScenarios(), failoverScenarios(), clientScenarios()} {
		all = append(all, list...)
	}
	for _, s := range all {
		if s.load.pace == 0 {
			durability := s.load.durability
			s.load = standardLoad()
			s.load.durability = durability
		}
		s.topology = cmp.Or(s.topology, single)
	}
	return all
}
