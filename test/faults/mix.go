package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"eventhub/test/faults/history"
)

// aim is what a scenario breaks. One at the hubs and one at Redis may go on at a time, as
// each uses its part of the rig only.
type aim int

const (
	atHubs aim = iota
	atRedis
	atClients
)

// act is one fault of a mix.
type act struct {
	of    *scenario
	hubs  []int         // those it is of, the first to be broken first
	after time.Duration // its step has begun
	haste float64       // its lengths are so much of what the scenario has
}

// step is one act, or two that go on at the same time. Everything is mended before the next.
type step struct {
	acts  []act
	pause time.Duration // before it
}

// mixOn is the scenario that draws its faults from all that mix on a kind of Redis.
func mixOn(kind string, all []*scenario) *scenario {
	s := &scenario{
		name: "mix", what: "by the seed, 6 to 10 of these faults one after another, some two at a time: one at the hubs and one at Redis",
		on: []string{kind}, shortOn: everywhere(), proxied: true, redis: []string{"--appendonly", "yes", "--appendfsync", "always"}, limit: 8 * time.Minute, unmixed: true,
	}
	if kind != single {
		s.load.durability = "replicated" // nothing may be lost by failovers, either
	}
	if kind == cluster {
		s.redis = append(s.redis, partial()...)
	}
	s = s.each()[0]
	parts := slices.DeleteFunc(slices.Clone(all), func(part *scenario) bool { return part.topology != kind || !s.takes(part) })
	s.draw = func(seed uint64, quick bool) *scenario {
		random := rand.New(rand.NewPCG(seed, digestOf([]byte("mix on "+kind))))
		acts := 6 + random.IntN(5)
		if quick {
			acts = 3
		}
		return s.of(drawSteps(random, parts, acts))
	}
	return s
}

// takes says whether a scenario can be a part of this mix: those cannot that are about
// another load or another configuration of Redis than it has.
func (s *scenario) takes(part *scenario) bool {
	return !part.unmixed && part.load.ackWait == s.load.ackWait &&
		given(part.redis, s.redis) &&
		(part.load.durability == "" || part.load.durability == s.load.durability)
}

// given says whether a redis-server with some arguments has those of others, too: each an
// option and its value.
func given(args, among []string) bool {
	for option := range slices.Chunk(args, 2) {
		if !slices.ContainsFunc(slices.Collect(slices.Chunk(among, 2)), func(o []string) bool { return slices.Equal(o, option) }) {
			return false
		}
	}
	return true
}

// of is the mix with a plan.
func (s *scenario) of(steps []step) *scenario {
	one := *s
	for i, step := range steps {
		var held history.Bounds // what holds it up together
		var words []string
		for _, a := range step.acts {
			b := a.of.bounds
			held.InFlight += b.InFlight
			held.Tail += b.Tail
			held.Announce += b.Announce
			one.settings = append(one.settings, a.of.settings...)
			words = append(words, a.String())
		}
		one.bounds.InFlight = max(one.bounds.InFlight, held.InFlight)
		one.bounds.Tail = max(one.bounds.Tail, held.Tail)
		one.bounds.Announce = max(one.bounds.Announce, held.Announce)
		one.plan = append(one.plan, fmt.Sprintf("%d. after %s: %s", i+1, step.pause, strings.Join(words, ", beside ")))
	}
	one.fault = func(r *rig) {
		for _, step := range steps {
			r.pass(step.pause)
			r.play(step)
		}
	}
	return &one
}

func (a act) String() string {
	which := ""
	if a.of.aim == atHubs {
		which = fmt.Sprintf("hubs %v, ", a.hubs)
	}
	return fmt.Sprintf("%s (%safter %s, %.0f %% as long)", a.of.name, which, a.after, 100*a.haste)
}

// drawSteps draws a plan of so many acts.
func drawSteps(random *rand.Rand, parts []*scenario, acts int) (steps []step) {
	draw := func(what aim, after time.Duration) act {
		some := slices.DeleteFunc(slices.Clone(parts), func(s *scenario) bool { return s.aim != what })
		return act{
			of: some[random.IntN(len(some))], hubs: random.Perm(hubsOfARig)[:1+random.IntN(hubsOfARig)],
			after: after, haste: float64(60+random.IntN(41)) / 100,
		}
	}
	milliseconds := func(below int) time.Duration { return time.Duration(random.IntN(below)) * time.Millisecond }
	for acts > 0 {
		next := step{pause: milliseconds(2000)}
		switch n := random.IntN(10); {
		case n == 0:
			next.acts = []act{draw(atClients, 0)}
		case n < 4:
			next.acts = []act{draw(atHubs, 0)}
		case n < 7 || acts == 1:
			next.acts = []act{draw(atRedis, 0)}
		default:
			next.acts = []act{draw(atHubs, milliseconds(1500)), draw(atRedis, milliseconds(1500))}
		}
		acts -= len(next.acts)
		steps = append(steps, next)
	}
	return steps
}

// play does what a step says, and mends everything.
func (r *rig) play(s step) {
	work := make([]func(), len(s.acts))
	for i, a := range s.acts {
		part := *r // one goroutine uses it
		part.hubs, part.haste, part.quick = nil, a.haste, true
		for _, hub := range a.hubs {
			part.hubs = append(part.hubs, r.hubs[hub])
		}
		work[i] = func() {
			part.pass(a.after)
			a.of.fault(&part)
		}
	}
	r.together(work...)
	r.steady()
	r.heal()
}
