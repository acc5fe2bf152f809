package main

import "strconv"

// goal is what a figure is to reach. One that is missed is shown; the exit status is
// for work that was wrong, and for the bounds of -growth and -soak.
type goal struct {
	Figure string  `json:"figure"`
	Least  float64 `json:"at_least,omitempty"`
	Most   float64 `json:"at_most,omitempty"`
	Is     float64 `json:"is"`
	Met    bool    `json:"met"`

	of func(r *result) float64 // where the figure is found
}

// judge takes in what the figure is.
func (g goal) judge(is float64) goal {
	g.Is, g.Met = is, is >= g.Least
	if g.Most > 0 {
		g.Met = is <= g.Most
	}
	return g
}

// line is the goal in a table.
func (g goal) line(name string) []string {
	bound, met := "≥ "+digits(g.Least), "yes"
	if g.Most > 0 {
		bound = "≤ " + digits(g.Most)
	}
	if !g.Met {
		met = "NO"
	}
	return []string{name, g.Figure, bound, digits(g.Is), met}
}

// digits writes a figure to three digits.
func digits(x float64) string {
	switch {
	case x >= 1000:
		return perSecond(x)
	case x <= -1000:
		return "-" + perSecond(-x)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

func ratioGoal(least float64) goal {
	return goal{Figure: "ratio", Least: least, of: func(r *result) float64 { return r.Ratio }}
}

// p99RatioGoal is for rows whose ratio is that of the latencies.
func p99RatioGoal(most float64) goal {
	return goal{Figure: "ratio of the p99", Most: most, of: func(r *result) float64 { return r.Ratio }}
}

// stretch is a goal that goes beyond another of the row.
func (g goal) stretch() goal {
	g.Figure += ", stretch"
	return g
}

func rateGoal(least float64) goal {
	return goal{Figure: "deliveries/s", Least: least, of: func(r *result) float64 { return r.Hub.Rate }}
}

func addedP50Goal(most float64) goal {
	return goal{Figure: "p50 above the yardstick's, µs", Most: most, of: func(r *result) float64 { return float64(r.Added.P50) / 1e3 }}
}

func addedP99Goal(most float64) goal {
	return goal{Figure: "p99 above the yardstick's, µs", Most: most, of: func(r *result) float64 { return float64(r.Added.P99) / 1e3 }}
}

func p99Goal(most float64) goal {
	return goal{Figure: "p99, µs", Most: most, of: func(r *result) float64 { return float64(r.Hub.Latency.P99) / 1e3 }}
}

func socketGoal(most float64) goal {
	return goal{Figure: "idle, KiB a socket", Most: most, of: func(r *result) float64 {
		return r.Hub.Memory.each(r.Hub.Memory.Idle) / 1024
	}}
}

func redisGoal(most float64) goal {
	return goal{Figure: "Redis CPU a delivery, µs", Most: most, of: func(r *result) float64 {
		if r.Hub.CPU == nil {
			return 0
		}
		return r.Hub.CPU.Redis // seconds per million are µs for each
	}}
}

// commandsGoal is about commands of these names for each event, of all when none is
// named.
func commandsGoal(figure string, most float64, names ...string) goal {
	return goal{Figure: figure + " an event", Most: most, of: func(r *result) float64 {
		return r.Hub.commands(names...)
	}}
}
