package main

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestLatencyCountsFromWhenAnEventWasDue(t *testing.T) {
	timing := newTiming(100, time.Second)
	timing.start = time.Now().Add(-30 * time.Second)
	late := timing.warm
	if err := timing.record([]byte(`"data":` + eventData(late, eventBytes))); err != nil {
		t.Fatal(err)
	}
	if got := timing.at(50); got < 29*time.Second {
		t.Errorf("an event half a minute late counts as %s", got)
	}
	if timing.record([]byte(`"data":`+eventData(timing.total, eventBytes))) == nil {
		t.Error("an event that was not sent is not noticed")
	}
}

func TestMediansAndRatios(t *testing.T) {
	var r result
	for _, n := range []int64{300, 100, 200} {
		r.Hub.add(sample{Events: n, Seconds: 2, CPU: &usage{Hub: 1e-3}})
		r.Raw.add(sample{Events: 4 * n, Seconds: 2})
	}
	r.compare()
	if r.Hub.Rate != 100 || r.Raw.Rate != 400 || r.Ratio != 0.25 || r.Hub.CPU.Hub != 5 {
		t.Errorf("%+v", r)
	}
	if got := perSecond(1_234_567); got != "1,230,000" {
		t.Error(got)
	}
	if got := perSecond(987); got != "987" {
		t.Error(got)
	}
}

func TestFanOutCountsTheLastAndSlowClientsCountAll(t *testing.T) {
	timing := func() *timing { return &timing{warm: 1, total: 2, histogram: newHistogram()} }
	late := [][]time.Duration{{9 * time.Second, time.Millisecond}, {9 * time.Second, 3 * time.Millisecond}}
	last, each := &crowd{timing: timing(), late: late}, &crowd{timing: timing(), late: late}
	if err := errors.Join(last.countLast(), each.countEach()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		got, want time.Duration
	}{
		"least of the last": {last.timing.at(0), 3 * time.Millisecond},
		"least of all":      {each.timing.at(0), time.Millisecond},
		"most":              {each.timing.at(100), 3 * time.Millisecond},
	} {
		if c.got.Round(100*time.Microsecond) != c.want {
			t.Errorf("%s: %s, not %s", name, c.got, c.want)
		}
	}
}

func TestGoalsAreHeldAgainstTheFigures(t *testing.T) {
	added := func(p99 time.Duration) result { return result{Ratio: 0.5, Added: &latency{P99: p99}} }
	for name, c := range map[string]struct {
		result
		goal
		met bool
	}{
		"reached":           {added(0), ratioGoal(0.5), true},
		"missed":            {added(0), ratioGoal(0.51), false},
		"kept":              {added(time.Millisecond), addedP99Goal(1000), true},
		"exceeded":          {added(2 * time.Millisecond), addedP99Goal(1000), false},
		"less than no more": {added(-2 * time.Millisecond), addedP99Goal(1000), true},
	} {
		c.result.judge([]goal{c.goal})
		if got := c.Goals[0].Met; got != c.met {
			t.Errorf("%s: %+v", name, c.Goals[0])
		}
	}
	var r result
	r.Hub.add(sample{Events: 1000, Seconds: 1, Commands: commands{"xadd": 1000, "publish": 200}})
	r.judge([]goal{commandsGoal("Redis commands", 1.1), commandsGoal("reads", 0.05, "xreadgroup")})
	rep := report{Rows: []result{r}}
	for _, want := range []string{"Redis commands an event   ≤ 1.1  1.2   NO", "reads an event           ≤ 0.05    0  yes"} {
		if text := rep.text(); !strings.Contains(text, want) {
			t.Errorf("the table does not say %q:\n%s", want, text)
		}
	}
}

func TestWhatGrowsFasterThanTheWorkFails(t *testing.T) {
	of := func(seconds float64) series {
		var s series
		s.add(sample{Events: 1_000_000, Seconds: 1, CPU: &usage{Hub: seconds, Redis: 1, Load: 99}})
		return s
	}
	opts := options{duration: judgedFrom}
	for last, fails := range map[float64]bool{4: false, 9: true} {
		g := grown{Name: "streams", Bound: 2, Steps: []step{{Size: 1, Hub: of(2)}, {Size: 10, Hub: of(7)}, {Size: 100, Hub: of(last)}}}
		g.compare(opts)
		rep := report{Growth: &growth{Factors: []grown{g}}}
		if (rep.failure() != nil) != fails || strings.Contains(rep.text(), "FAILED streams") != fails {
			t.Errorf("with a ratio of %.2f the report says\n%s", g.Ratio, rep.text())
		}
	}
	// One that fails before it is measured at all sizes says why.
	unmeasured := grown{Name: "sinks", Steps: []step{{Size: 1, Hub: of(2)}, {Size: 10}}, Error: "at 10: no answer"}
	text := (&report{Growth: &growth{Factors: []grown{unmeasured}}}).text()
	if !strings.Contains(text, "FAILED sinks: at 10: no answer") {
		t.Errorf("the report says\n%s", text)
	}
	idle := goal{Figure: "connections", Most: 24}
	if missed([]goal{idle.judge(24)}) != nil || missed([]goal{idle.judge(25)}) == nil {
		t.Error("a limit is not held")
	}
}

func TestASoakFailsWhenMemoryOrGoroutinesGrow(t *testing.T) {
	steady, rising := make([]float64, 100), make([]float64, 100)
	for i := range steady {
		steady[i], rising[i] = 100, 100+float64(i)/4
	}
	steady[3], steady[99] = 500, 900 // a moment does not count
	for name, c := range map[string]struct {
		soak
		right bool
	}{
		"steady":     {soak{Resident: trendOf(steady), Goroutines: trendOf(steady)}, true},
		"memory":     {soak{Resident: trendOf(rising), Goroutines: trendOf(steady)}, false},
		"goroutines": {soak{Resident: trendOf(steady), Goroutines: trendOf(rising)}, false},
	} {
		if err := c.check(); (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMemoryIsSharedOutToTheSockets(t *testing.T) {
	rep := report{Rows: []result{{Name: "idle", Hub: series{Rate: 1000, Memory: &memory{
		Sockets: 1000, Alone: 20 << 20, Idle: 40 << 20, Used: 50 << 20, Left: 21 << 20,
	}}}}}
	if got, want := rep.text(), "idle    1,000     1,000  20.5             30.7              1.0     20,480\n"; !strings.Contains(got, want) {
		t.Errorf("the table is\n%swant\n%s", got, want)
	}
	if now, err := residentBytes(os.Getpid()); runtime.GOOS == "linux" && (err != nil || now < 1<<20) {
		t.Errorf("this process has %d bytes, %v", now, err)
	}
}
