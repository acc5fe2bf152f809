package main

import (
	"testing"
	"time"
)

func TestLatencyCountsFromWhenAnEventWasDue(t *testing.T) {
	timing := newTiming(options{duration: time.Second, rate: 100})
	timing.start = time.Now().Add(-30 * time.Second)
	late := timing.warm
	if err := timing.record([]byte(`"data":` + eventData(late))); err != nil {
		t.Fatal(err)
	}
	if got := timing.at(50); got < 29*time.Second {
		t.Errorf("an event half a minute late counts as %s", got)
	}
	if timing.record([]byte(`"data":`+eventData(timing.total))) == nil {
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
