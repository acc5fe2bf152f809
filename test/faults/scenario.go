package main

import (
	"cmp"
	"slices"
	"time"

	"eventhub/test/faults/history"
)

// scenario is one way to break something, under load.
type scenario struct {
	name     string
	what     string   // is done, in a sentence of docs/faults.md
	on       []string // kinds of Redis; none: a single one
	shortOn  []string // those on which CI runs it
	topology string   // the one of these that this is of
	short    bool     // CI runs it there
	alone    bool     // nothing else runs meanwhile, as its times are held against narrow bounds
	proxied  bool
	redis    []string // arguments of redis-server, of a single one
	settings []string // of the hubs
	load     loadOptions
	bounds   history.Bounds
	warm     time.Duration
	limit    time.Duration // that bounds it, 0 for scenarioLimit
	aim      aim           // what it breaks
	unmixed  bool          // it is no part of mixes

	fault func(r *rig)
	draw  func(seed uint64, quick bool) *scenario      // the scenario itself, where the seed says what it does; nil otherwise
	plan  []string                                     // what it has drawn
	check func(h *history.History, v *history.Verdict) // what else is to hold, nil for nothing
	// What the project promises of times, 0 for nothing: how long publishing to a stream may
	// be interrupted, how long an event may wait for its first delivery, how long one that
	// is published when the fault has ended, and how long one that a killed hub had given
	// away until it comes again.
	outage, latest, recovery, redelivered time.Duration
	broken                                map[string]history.Violation // build tags of hubs that must fail it, and by what
}

func (s *scenario) warmUp() time.Duration { return cmp.Or(s.warm, 1500*time.Millisecond) }

// What a busy machine may take beyond what is promised before that counts as broken: the
// load, the hubs and Redis share its cores, and some scenarios those of others. Bounds are
// judged in earnest where a scenario runs alone.
const (
	slack      = 6 * time.Second
	slackAlone = 2 * time.Second
)

func (s *scenario) slack() time.Duration {
	if s.alone {
		return slackAlone
	}
	return slack
}

// ackWait is that of the sinks, unless a scenario says so.
const ackWait = 3 * time.Second

// pace is that of each publisher of events, and of the two of messages; arrays are rarer.
const pace = 40 * time.Millisecond

// holding is how long consumers work on an event where what they have under way is what
// may be lost.
const holding = 500 * time.Millisecond

// everywhere is all kinds of Redis.
func everywhere() []string { return []string{single, sentinel, cluster} }

// scenarios lists all, each on every kind of Redis that it is for, in the order of the report.
func scenarios() []*scenario {
	var all []*scenario
	add := func(aim aim, lists ...[]*scenario) {
		for _, s := range slices.Concat(lists...) {
			s.aim = aim
			all = append(all, s.each()...)
		}
	}
	add(atHubs, hubScenarios())
	add(atRedis, redisScenarios(), networkScenarios(), []*scenario{oneHubScenario()}, dataScenarios(), failoverScenarios(), idleScenarios())
	add(atClients, clientScenarios())
	for _, kind := range everywhere() {
		all = append(all, mixOn(kind, all))
	}
	return all
}

// each is the scenario on each kind of Redis.
func (s *scenario) each() (list []*scenario) {
	on := s.on
	if len(on) == 0 {
		on = []string{single}
	}
	for i, kind := range on {
		one := *s
		if i > 0 {
			one.broken = nil // once is enough
		}
		one.topology, one.short = kind, slices.Contains(s.shortOn, kind)
		one.load.pace = cmp.Or(s.load.pace, pace)
		one.load.ackWait = cmp.Or(s.load.ackWait, ackWait)
		list = append(list, &one)
	}
	return list
}
