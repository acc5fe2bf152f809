package main

import (
	"cmp"
	"slices"
	"time"
)

// sample is what one measurement has found.
type sample struct {
	Events  int64    `json:"events"`
	Seconds float64  `json:"seconds"`
	CPU     *usage   `json:"cpu_seconds,omitempty"` // nil where it can't be told
	Latency *latency `json:"latency,omitempty"`     // of rows that measure it
	Memory  *memory  `json:"memory,omitempty"`      // likewise

	Commands commands `json:"redis_commands,omitempty"` // that Redis has executed meanwhile
}

// rate is events a second.
func (s sample) rate() float64 { return float64(s.Events) / s.Seconds }

// latency is how long events took.
type latency struct {
	P50  time.Duration `json:"p50_ns"`
	P99  time.Duration `json:"p99_ns"`
	P999 time.Duration `json:"p999_ns"`
	Max  time.Duration `json:"max_ns"`
}

// series is the samples of one row's runs, with their medians: each figure's by
// itself, so they need not be of the same run.
type series struct {
	Runs    []sample `json:"runs"`
	Rate    float64  `json:"rate,omitempty"`            // events a second
	CPU     *usage   `json:"cpu_per_million,omitempty"` // seconds per million events
	Latency *latency `json:"latency,omitempty"`
	Memory  *memory  `json:"memory,omitempty"`
}

// commands is how many commands of these names Redis executed for each event, in the
// median run; without names, how many in all.
func (s *series) commands(names ...string) float64 {
	return median(s.Runs, func(s sample) float64 {
		n := s.Commands.all()
		if len(names) > 0 {
			n = 0
		}
		for _, name := range names {
			n += s.Commands[name]
		}
		return float64(n) / float64(s.Events)
	})
}

func (s *series) add(run sample) {
	s.Runs = append(s.Runs, run)
	s.Rate = median(s.Runs, sample.rate)
	if run.Latency != nil {
		s.Latency = &latency{
			P50:  median(s.Runs, func(s sample) time.Duration { return s.Latency.P50 }),
			P99:  median(s.Runs, func(s sample) time.Duration { return s.Latency.P99 }),
			P999: median(s.Runs, func(s sample) time.Duration { return s.Latency.P999 }),
			Max:  median(s.Runs, func(s sample) time.Duration { return s.Latency.Max }),
		}
	}
	if run.Memory != nil {
		s.Memory = run.Memory // such rows have one run
	}
	if run.CPU != nil {
		perMillion := func(of func(*usage) float64) float64 {
			return median(s.Runs, func(s sample) float64 { return of(s.CPU) / float64(s.Events) * 1e6 })
		}
		s.CPU = &usage{
			Hub:   perMillion(func(u *usage) float64 { return u.Hub }),
			Redis: perMillion(func(u *usage) float64 { return u.Redis }),
			Load:  perMillion(func(u *usage) float64 { return u.Load }),
		}
	}
}

// median is the middle of a figure over the runs, the lower one of two.
func median[T cmp.Ordered](runs []sample, figure func(sample) T) T {
	figures := make([]T, len(runs))
	for i, run := range runs {
		figures[i] = figure(run)
	}
	return middle(figures)
}

// middle is the median of figures.
func middle[T cmp.Ordered](figures []T) T {
	figures = slices.Sorted(slices.Values(figures))
	return figures[(len(figures)-1)/2]
}
