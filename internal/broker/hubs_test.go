package broker

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

func TestHubsAreDeadOnlyForCertain(t *testing.T) {
	t.Parallel()
	type beat struct {
		at      float64 // seconds
		names   []string
		gone    bool     // somebody died
		certain bool     // the list is complete, right after the beat
		alive   []string // known then
	}
	only, both := []string{"a"}, []string{"a", "b"}
	for name, beats := range map[string][]beat{
		"a hub that has just started cannot know": {
			{at: 0, names: both, alive: both},
			{at: 1, names: both, alive: both},
			{at: 4.9, names: both, alive: both}, // the row began anew here
			{at: 5.9, names: both, alive: both},
			{at: 7.9, names: both, alive: both},
			{at: 9.8, names: both, alive: both},
			{at: 9.9, names: both, alive: both, certain: true, gone: true}, // a change that is worth a look
			{at: 10.9, names: both, alive: both, certain: true},
		},
		"a hub that the list has forgotten is dead": {
			{at: 0, names: both, alive: both},
			{at: 1, names: both, alive: both},
			{at: 2, names: both, alive: both},
			{at: 3, names: both, alive: both},
			{at: 4, names: both, alive: both},
			{at: 5, names: both, alive: both, certain: true, gone: true}, // a change that is worth a look
			{at: 6, names: both, alive: both, certain: true},
			{at: 7, names: only, alive: only, certain: true, gone: true},
			{at: 8, names: only, alive: only, certain: true},
		},
		"nobody is dead right after an outage": {
			{at: 0, names: both, alive: both},
			{at: 1, names: both, alive: both},
			{at: 2, names: both, alive: both},
			{at: 3, names: both, alive: both},
			{at: 4, names: both, alive: both},
			{at: 5, names: both, alive: both, certain: true, gone: true},
			// Redis is away, and all heartbeats it has are old.
			{at: 20, names: only, alive: only, gone: true},
			{at: 21, names: only, alive: only},
			{at: 22, names: only, alive: only},
			{at: 23, names: both, alive: both}, // back later than we
			{at: 24, names: both, alive: both},
			{at: 25, names: both, alive: both, certain: true, gone: true},
		},
		"who does not come back after an outage is dead in the end": {
			{at: 0, names: both, alive: both},
			{at: 60, names: only, alive: only, gone: true},
			{at: 61, names: only, alive: only},
			{at: 63, names: only, alive: only},
			{at: 64, names: only, alive: only},
			{at: 65, names: only, alive: only, certain: true, gone: true},
		},
		"one late heartbeat is no outage": {
			{at: 0, names: both, alive: both},
			{at: 2, names: both, alive: both},
			{at: 4, names: both, alive: both},
			{at: 6, names: both, alive: both, certain: true, gone: true},
			{at: 8, names: only, alive: only, certain: true, gone: true},
		},
		"a short outage makes everything uncertain": {
			{at: 0, names: both, alive: both},
			{at: 2, names: both, alive: both},
			{at: 4, names: both, alive: both},
			{at: 6, names: both, alive: both, certain: true, gone: true},
			{at: 8.1, names: both, alive: both},
			{at: 10, names: both, alive: both},
			{at: 12, names: both, alive: both},
			{at: 13, names: both, alive: both},
			{at: 13.1, names: both, alive: both, certain: true, gone: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlive()
			start := time.Unix(1_763_650_000, 0)
			for _, b := range beats {
				now := start.Add(time.Duration(b.at * float64(time.Second)))
				if gone := a.beat(now, b.names); gone != b.gone {
					t.Errorf("at %.1f s: a change is told: %t, want %t", b.at, gone, b.gone)
				}
				if certain := a.certain(now); certain != b.certain {
					t.Errorf("at %.1f s: certain is %t, want %t", b.at, certain, b.certain)
				}
				names := a.names()
				slices.Sort(names)
				if !slices.Equal(names, b.alive) {
					t.Errorf("at %.1f s: %q are known, want %q", b.at, names, b.alive)
				}
			}
		})
	}
}

func TestNothingIsCertainWhileHeartbeatsFail(t *testing.T) {
	t.Parallel()
	a := newAlive()
	start := time.Unix(1_763_650_000, 0)
	if a.certain(start) {
		t.Error("before the first heartbeat all is certain")
	}
	for i := range 7 {
		a.beat(start.Add(time.Duration(i)*time.Second), []string{"a"})
	}
	last := start.Add(6 * time.Second)
	for after, want := range map[time.Duration]bool{0: true, 2 * beatInterval: true, 2*beatInterval + 1: false, time.Hour: false} {
		if got := a.certain(last.Add(after)); got != want {
			t.Errorf("%s after the last heartbeat certain is %t, want %t", after, got, want)
		}
	}
}

func TestHubIsAloneWhileNoOtherIsHeard(t *testing.T) {
	t.Parallel()
	beat := time.Unix(1_763_650_000, 0) // the last of them
	for name, test := range map[string]struct {
		names []string
		beats int           // by default as many as make it certain
		heard time.Duration // before the beat, that another hub rang; 0: never
		after time.Duration // the beat
		want  bool
	}{
		"it has just started":                      {names: []string{"a"}, beats: 5},
		"there is no other":                        {names: []string{"a"}, want: true},
		"there is another":                         {names: []string{"a", "b"}},
		"it has not said that it is alive":         {},
		"its heartbeats fail":                      {names: []string{"a"}, after: 3 * time.Second},
		"another has rung since":                   {names: []string{"a"}, heard: time.Millisecond},
		"another has rung and is not there by now": {names: []string{"a"}, heard: hubTimeout + 1, want: true},
	} {
		a := newAlive()
		for i := cmp.Or(test.beats, 6); i > 0 && test.names != nil; i-- {
			a.beat(beat.Add(-time.Duration(i-1)*time.Second), test.names)
		}
		if test.heard > 0 {
			if at := beat.Add(-test.heard); !a.hear(at) || a.hear(at) {
				t.Errorf("%s: the first bell, and only that, is the first", name)
			}
		}
		if got := a.alone(beat.Add(test.after)); got != test.want {
			t.Errorf("%s: alone is %t, want %t", name, got, test.want)
		}
	}
}

func TestReclaimIsToldWhoLives(t *testing.T) {
	t.Parallel()
	a := newAlive()
	now := time.Now()
	a.beat(now, []string{"hub-a", "hub-b"})
	if got := a.args(); !slices.Equal(got, []any{"0"}) {
		t.Errorf("uncertain: the script is told %q, want no names", got)
	}
	a = newAlive()
	for i := 6; i >= 0; i-- {
		a.beat(now.Add(-time.Duration(i)*time.Second), []string{"hub-a", "hub-b"})
	}
	got := a.args()
	if len(got) != 3 || got[0] != "1" || !slices.Contains(got, any("hub-a")) || !slices.Contains(got, any("hub-b")) {
		t.Errorf("certain: the script is told %q", got)
	}
}
