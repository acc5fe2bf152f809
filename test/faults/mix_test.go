package main

import (
	"slices"
	"testing"
	"time"

	"eventhub/test/faults/history"
)

func TestTheSeedOfAMixSaysWhatItDoes(t *testing.T) {
	for _, kind := range everywhere() {
		mix := named(t, "mix", kind)
		one, again, other := mix.draw(7, false), mix.draw(7, false), mix.draw(8, false)
		if len(one.plan) == 0 || !slices.Equal(one.plan, again.plan) {
			t.Errorf("on %s the same seed gives %q and %q", kind, one.plan, again.plan)
		}
		if slices.Equal(one.plan, other.plan) {
			t.Errorf("on %s another seed gives %q again", kind, one.plan)
		}
	}
}

func TestAMixHasAFewFaultsAndTwoAtATimeHaveDifferentAims(t *testing.T) {
	random := (&load{seed: 1}).random("plans")
	parts := []*scenario{{name: "a", aim: atHubs}, {name: "b", aim: atRedis}, {name: "c", aim: atClients}}
	pairs, drawn := 0, map[string]bool{}
	for acts := 1; acts <= 100; acts++ {
		n := 0
		for _, s := range drawSteps(random, parts, acts) {
			n += len(s.acts)
			if len(s.acts) == 2 {
				pairs++
				if s.acts[0].of.aim != atHubs || s.acts[1].of.aim != atRedis {
					t.Errorf("at the same time: %v", s.acts)
				}
			}
			for _, a := range s.acts {
				drawn[a.of.name] = true
				if len(a.hubs) < 1 || a.haste < 0.6 || a.haste > 1 {
					t.Errorf("%v has no hub, or another length than its bounds allow", a)
				}
			}
		}
		if n != acts {
			t.Errorf("%d acts were drawn, want %d", n, acts)
		}
	}
	if pairs == 0 || len(drawn) != len(parts) {
		t.Errorf("%d steps have two acts; drawn were %v", pairs, drawn)
	}
}

func TestAMixAllowsWhatItsPartsDoTogether(t *testing.T) {
	second := func(n int) *scenario {
		d := time.Duration(n) * time.Second
		return &scenario{bounds: history.Bounds{InFlight: d, Tail: d, Announce: d}}
	}
	got := (&scenario{}).of([]step{{acts: []act{{of: second(3)}, {of: second(4)}}}, {acts: []act{{of: second(6)}}}}).bounds
	if want := second(7).bounds; got != want {
		t.Errorf("it allows %+v, want %+v", got, want)
	}
}

func TestMixesTakeWhatNeedsNoOtherLoadOrRedis(t *testing.T) {
	mix := named(t, "mix", single)
	for name, want := range map[string]bool{"hub-kill": true, "redis-kill-always": true, "net-replies": true, "redis-kill-none": false, "hub-kill-10s": false, "drain-2000": false, "mix": false} {
		if got := mix.takes(named(t, name, single)); got != want {
			t.Errorf("that it takes %s is %v, want %v", name, got, want)
		}
	}
	if onCluster := named(t, "mix", cluster); onCluster.takes(named(t, "cluster-kill-fast", cluster)) || !onCluster.takes(named(t, "cluster-kill-replicated", cluster)) {
		t.Error("on a cluster it is not about events that replicas have")
	}
}

func TestWorkThatCannotGoOnEndsTheScenarioAfterAll(t *testing.T) {
	done := false
	err := onStage(t.Context(), func(s *stage) {
		bad := make(chan struct{})
		s.together(
			func() { defer close(bad); s.Fatal("no more") },
			func() { <-bad; done = true },
		)
		s.Errorf("it went on")
	})
	if err == nil || err.Error() != "no more" || !done {
		t.Errorf("it gave %v, and the other was done: %v", err, done)
	}
}
