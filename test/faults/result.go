package main

import (
	"fmt"
	"strings"
	"time"

	"eventhub/test/faults/history"
)

// result is what came of a scenario.
type result struct {
	Scenario, Topology string
	Durability         string
	Seed               uint64
	Short              bool     // in the short form
	Plan               []string // of a mix
	Figures            history.Figures
	Counts             map[history.Violation]int
	Wrong              []string // promises that were broken
	Proofs             []string
	Effect             bool // every fault has happened
	Settled            time.Duration
	Took               time.Duration
	Kept               string // directory with more about a failure, "" for none
	Error              string // why it could not be run to its end
}

// judge holds a history against what is promised.
func (res *result) judge(h *history.History, sc *scenario, r *rig, settled time.Duration) {
	v := history.Check(h, sc.bounds)
	if sc.check != nil {
		sc.check(h, v)
	}
	res.Figures, res.Counts, res.Settled = v.Figures, v.Counts, settled
	res.Effect = len(h.Faults) > 0 && history.Effective(h.Faults)
	for _, f := range h.Faults {
		if f.Proof == "" {
			res.Proofs = append(res.Proofs, f.Name+": had no effect")
		} else {
			res.Proofs = append(res.Proofs, f.Name+": "+f.Proof)
		}
	}
	if !v.Valid() {
		for _, f := range v.Findings {
			if !f.Fault.Harmless() {
				res.Wrong = append(res.Wrong, string(f.Fault)+": "+f.What)
			}
		}
		if len(res.Wrong) == 0 {
			res.Wrong = append(res.Wrong, fmt.Sprint(v.Counts))
		}
	}
	res.judgeTimes(sc)
	res.Wrong = append(res.Wrong, r.complaints.all()...)
	for _, n := range r.hubs {
		for _, noise := range n.logs.noise() {
			res.Wrong = append(res.Wrong, fmt.Sprintf("hub %s logged %s", n.name, noise))
		}
	}
}

// judgeTimes holds what was measured against what is promised.
func (res *result) judgeTimes(sc *scenario) {
	f, slack := res.Figures, sc.slack()
	res.slow("publishing stood still", f.Outage, sc.outage, slack)
	res.slow("an event waited", f.Latest, sc.latest, slack)
	if sc.recovery > 0 && f.Recovery < 0 {
		res.Wrong = append(res.Wrong, "after the fault no event came at all")
	}
	res.slow("after the fault no event came", f.Recovery, sc.recovery, slack)
	res.slow("what a killed hub had given away was not seen again", f.Redelivered, sc.redelivered, slack)
}

// slow complains of what took longer than promised by more than slack.
func (res *result) slow(what string, measured, promised, slack time.Duration) {
	if promised > 0 && measured > promised+slack {
		res.Wrong = append(res.Wrong, fmt.Sprintf("%s for %s, %s are promised", what, measured.Round(time.Millisecond), promised))
	}
}

// The ways to end.
const (
	valid    = 0
	violated = 1
	noEffect = 2
	failed   = 3
)

// word is what is said of an end.
func word(code int) string {
	return map[int]string{valid: "valid", violated: "VIOLATED", noEffect: "NO EFFECT", failed: "FAILED"}[code]
}

func (res *result) code() int {
	switch {
	case len(res.Wrong) > 0:
		return violated
	case res.Error != "":
		return failed
	case !res.Effect:
		return noEffect
	}
	return valid
}

// String is what is said of a result while others run.
func (res *result) String() string {
	var b strings.Builder
	f := res.Figures
	fmt.Fprintf(&b, "%-9s %s on %s in %s: %d published, %d unknown, %d delivered, %d again, %d redriven; outage %s, latest %s, recovery %s, redelivered %s, settled in %s; %v\n", word(res.code()), res.Scenario, res.Topology,
		res.Took.Round(100*time.Millisecond), f.Published, f.Unknown, f.Delivered, f.Again, f.Redriven,
		f.Outage.Round(time.Millisecond), f.Latest.Round(time.Millisecond), f.Recovery.Round(time.Millisecond), f.Redelivered.Round(time.Millisecond), res.Settled.Round(time.Millisecond), res.Counts)
	if res.code() != valid {
		for _, line := range append(append([]string{}, res.Wrong...), res.Error) {
			if line != "" {
				fmt.Fprintf(&b, "  %s\n", line)
			}
		}
		b.WriteString(res.story())
		if res.Kept != "" {
			fmt.Fprintf(&b, "  its history, and what the hubs have logged: %s\n", res.Kept)
		}
		fmt.Fprintf(&b, "  again with: %s\n", res.again())
	}
	return b.String()
}

// again is the command that repeats it.
func (res *result) again() string {
	short := ""
	if res.Short {
		short = " -short"
	}
	return fmt.Sprintf("go run ./test/faults -run '^%s$' -on %s -seed %d%s", res.Scenario, res.Topology, res.Seed, short)
}

// story is what was done, and what shows it.
func (res *result) story() string {
	var b strings.Builder
	for _, act := range res.Plan {
		fmt.Fprintf(&b, "  plan: %s\n", act)
	}
	said := map[string]bool{}
	for _, proof := range res.Proofs {
		if !said[proof] { // a scenario may do the same again and again
			fmt.Fprintf(&b, "  fault: %s\n", proof)
		}
		said[proof] = true
	}
	return b.String()
}
