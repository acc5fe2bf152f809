package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// factor is one thing that grows while all else stays as it is.
type factor struct {
	name  string
	work  string // what an event is, and what the size counts
	sizes []int
	bound float64 // most that an event may cost at the largest size, in parts of the cost at the smallest
	hubs  bool    // the size is how many hubs there are
	probe func(ctx context.Context, r *rig, size int) (sample, error)
}

// growth is what all factors have shown.
type growth struct {
	Factors []grown   `json:"factors"`
	Idle    []idleHub `json:"idle"`
	Limits  []goal    `json:"limits"`          // of the largest of those
	Error   string    `json:"error,omitempty"` // of the limits
}

// grown is one factor measured.
type grown struct {
	Name  string  `json:"name"`
	Work  string  `json:"work"`
	Steps []step  `json:"steps"`
	Ratio float64 `json:"ratio"` // cost of the largest size to that of the smallest
	Bound float64 `json:"bound"`
	Error string  `json:"error,omitempty"`
}

type step struct {
	Size int     `json:"size"`
	Hub  series  `json:"hub"`
	Cost float64 `json:"cost"` // CPU seconds of hubs and Redis per million events
}

// growthLimit bounds all of it; it takes some 4 minutes.
const growthLimit = 10 * time.Minute

// judgedFrom is the least -duration whose figures are held against bounds: the CPU
// that a process has used is told in steps of 10 ms.
const judgedFrom = time.Second

func measureGrowth(ctx context.Context, opts options, dir string, progress io.Writer) *growth {
	ctx, cancel := context.WithTimeout(ctx, growthLimit)
	defer cancel()
	g := &growth{}
	for _, f := range factors(opts) {
		if opts.only.MatchString(f.name) {
			g.Factors = append(g.Factors, f.measure(ctx, opts, dir, progress))
		}
	}
	if opts.only.MatchString(limitsName) {
		var err error
		if g.Idle, err = measureIdle(ctx, opts, dir, progress); err == nil {
			g.Limits = g.Idle[len(g.Idle)-1].limits()
			if opts.duration >= judgedFrom {
				err = missed(g.Limits)
			}
		}
		if err != nil {
			g.Error = err.Error()
		}
	}
	return g
}

// measure goes through all sizes in each run, so that what else the machine does meets
// them alike.
func (f factor) measure(ctx context.Context, opts options, dir string, progress io.Writer) grown {
	g := grown{Name: f.name, Work: f.work, Bound: f.bound}
	for _, size := range f.sizes {
		g.Steps = append(g.Steps, step{Size: size})
	}
	runs := row{}.times(opts.runs)
	for i := range runs {
		for n := range g.Steps {
			s := &g.Steps[n]
			_, _ = fmt.Fprintf(progress, "%s %d, %d/%d\n", f.name, s.Size, i+1, runs)
			found, err := f.once(ctx, opts, dir, s.Size)
			if err != nil {
				g.Error = fmt.Sprintf("at %d: %s", s.Size, err)
				return g
			}
			s.Hub.add(found)
		}
	}
	g.compare(opts)
	return g
}

// once measures a size on Redis and hubs of its own.
func (f factor) once(ctx context.Context, opts options, dir string, size int) (sample, error) {
	r, err := newRig(ctx, opts, dir, nil)
	if err != nil {
		return sample{}, err
	}
	defer r.close()
	for f.hubs && len(r.hubs) < size {
		if err := r.addHub(ctx); err != nil {
			return sample{}, err
		}
	}
	s, err := r.once(ctx, func(ctx context.Context, r *rig) (sample, error) { return f.probe(ctx, r, size) })
	if err != nil {
		return s, errors.New(err.Error() + r.hub.lastWords())
	}
	return s, nil
}

// compare works out what an event costs at each size, and holds it against the bound.
func (g *grown) compare(opts options) {
	for i := range g.Steps {
		s := &g.Steps[i]
		s.Cost = median(s.Hub.Runs, func(s sample) float64 {
			if s.CPU == nil {
				return 0
			}
			return (s.CPU.Hub + s.CPU.Redis) / float64(s.Events) * 1e6
		})
	}
	least, most := g.Steps[0], g.Steps[len(g.Steps)-1]
	if least.Cost > 0 {
		g.Ratio = most.Cost / least.Cost
	}
	if opts.duration >= judgedFrom && g.Ratio > g.Bound {
		g.Error = fmt.Sprintf("an event costs %.2f times as much at %s as at %s, the bound is %.2f",
			g.Ratio, thousands(int64(most.Size)), thousands(int64(least.Size)), g.Bound)
	}
}

func (g *growth) failures() (names []string) {
	for _, f := range g.Factors {
		if f.Error != "" {
			names = append(names, f.Name)
		}
	}
	if g.Error != "" {
		names = append(names, limitsName)
	}
	return names
}

func (g *growth) write(b *strings.Builder) {
	costs := table{{"factor", "size", "events/s", "CPU hubs", "Redis", "both", "ratio", "bound", "commands"}}
	for _, f := range g.Factors {
		for i, s := range f.Steps {
			if len(s.Hub.Runs) == 0 { // it failed before
				continue
			}
			line := []string{"", thousands(int64(s.Size)), perSecond(s.Hub.Rate), "", "", fmt.Sprintf("%.2f", s.Cost), "", "", digits(s.Hub.commands())}
			if i == 0 {
				line[0] = f.Name
			}
			if cpu := s.Hub.CPU; cpu != nil {
				line[3], line[4] = fmt.Sprintf("%.2f", cpu.Hub), fmt.Sprintf("%.2f", cpu.Redis)
			}
			if i == len(f.Steps)-1 {
				line[6], line[7] = fmt.Sprintf("%.2f", f.Ratio), fmt.Sprintf("≤ %.2f", f.Bound)
			}
			costs = append(costs, line)
		}
	}
	costs.write(b, "Growth: CPU seconds per million events; ratio: of both, the largest size to the smallest;\ncommands that Redis executed for each event", 1)
	limits := table{{"", "figure", "limit", "is", "met"}}
	for _, limit := range g.Limits {
		limits = append(limits, limit.line(limitsName))
	}
	idleTable(g.Idle).write(b, "A hub with consumers while nothing is published", 0)
	limits.write(b, "Limits, at the most sockets", 2)
	for _, f := range g.Factors {
		if f.Error != "" {
			fmt.Fprintf(b, "\nFAILED %s: %s\n", f.Name, f.Error)
		}
	}
	if g.Error != "" {
		fmt.Fprintf(b, "\nFAILED %s: %s\n", limitsName, g.Error)
	}
}
