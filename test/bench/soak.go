package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// soak is what a hub was like after a long time at half load.
type soak struct {
	Seconds  float64 `json:"seconds"`
	Events   float64 `json:"events_per_second"`   // through a sink
	Messages float64 `json:"messages_per_second"` // to each subscriber
	Visits   int64   `json:"visits"`              // sockets that came and went
	Again    int64   `json:"again"`               // events that came again, after a visitor had left with them

	Resident   trend       `json:"resident_bytes"`
	Goroutines trend       `json:"goroutines"`
	Crowds     []aftermath `json:"crowds"` // that come and go: of a hub, and of a bare program
	Goals      []goal      `json:"goals"`  // of the hub's
	Error      string      `json:"error,omitempty"`
}

// trend is a figure at the beginning and at the end, each the median over a fifth of
// the time, so that neither a collection nor a visit shows.
type trend struct {
	First float64 `json:"first_fifth"`
	Last  float64 `json:"last_fifth"`
}

func trendOf(figures []float64) trend {
	fifth := (len(figures) + 4) / 5
	return trend{middle(figures[:fifth]), middle(figures[len(figures)-fifth:])}
}

func (t trend) ratio() float64 { return t.Last / t.First }

const (
	// soakBound is most that a trend may rise to.
	soakBound = 1.10
	// soakJudgedFrom is the least -soak whose trends are held against it.
	soakJudgedFrom = 30 * time.Second
	// soakSlack is how much longer it may take: to find the full load, to wait for
	// stragglers, and for the crowd.
	soakSlack = 5 * time.Minute
)

func measureSoak(ctx context.Context, opts options, dir string, progress io.Writer) *soak {
	ctx, cancel := context.WithTimeout(ctx, opts.soak+soakSlack)
	defer cancel()
	s := &soak{Seconds: opts.soak.Seconds()}
	on := func(do func(context.Context, *rig) error) error {
		r, err := newRig(ctx, opts, dir, nil)
		if err != nil {
			return err
		}
		defer r.close()
		if err := do(ctx, r); err != nil {
			return errors.New(err.Error() + r.hub.lastWords())
		}
		return nil
	}
	var err error
	if opts.only.MatchString("load") {
		_, _ = fmt.Fprintln(progress, "load, for", opts.soak)
		if err = on(s.work); err == nil && opts.soak >= soakJudgedFrom {
			err = s.check()
		}
	}
	if opts.only.MatchString("crowd") {
		_, _ = fmt.Fprintln(progress, "crowd")
		err = errors.Join(err, on(s.crowd))
	}
	if err != nil {
		s.Error = err.Error()
	}
	return s
}

func (s *soak) check() error {
	var errs []error
	for name, t := range map[string]trend{"resident memory": s.Resident, "the number of goroutines": s.Goroutines} {
		if t.ratio() > soakBound {
			errs = append(errs, fmt.Errorf("%s rose to %.2f of what it was, the bound is %.2f", name, t.ratio(), soakBound))
		}
	}
	return errors.Join(errs...)
}

// crowd has 10,000 sockets come and go twice, on a hub that had nothing else to do, and on
// a program that does nothing else.
func (s *soak) crowd(ctx context.Context, r *rig) error {
	hub, err := r.aftermath(ctx, "hub")
	if err != nil {
		return err
	}
	s.Crowds = []aftermath{hub}
	const most = 1.10
	figure := fmt.Sprintf("resident %s after %s sockets left, to ", r.afterwards(), thousands(hub.Sockets))
	s.Goals = []goal{
		goal{Figure: figure + "before any came", Most: most}.judge(float64(hub.First) / float64(hub.Before)),
		goal{Figure: figure + "after as many had left", Most: most}.judge(float64(hub.Second) / float64(hub.First)),
	}
	_, err = r.beside(ctx, bareSockets, func(pids []int, addr string) (sample, error) {
		bare := *r
		bare.addr, bare.pid = addr, pids[0]
		after, err := bare.aftermath(ctx, "bare program")
		s.Crowds = append(s.Crowds, after)
		return sample{}, err
	})
	return err
}

func (s *soak) write(b *strings.Builder) {
	if s.Events > 0 {
		s.writeLoad(b)
	}
	s.writeCrowds(b)
	if s.Error != "" {
		fmt.Fprintf(b, "\nFAILED soak: %s\n", s.Error)
	}
}

func (s *soak) writeLoad(b *strings.Builder) {
	fmt.Fprintf(b, "\nSoak of %s at half load: %s events/s through a sink, %s messages/s to each of %d subscribers;\n%s sockets came and went, %s events came again after one had left with them\n\n",
		time.Duration(s.Seconds*float64(time.Second)), digits(s.Events), digits(s.Messages), soakSubscribers, thousands(s.Visits), thousands(s.Again))
	trends := table{{"hub", "first fifth", "last fifth", "ratio", "bound"}}
	for _, t := range []struct {
		name string
		trend
		unit float64
	}{{"resident, KiB", s.Resident, 1024}, {"goroutines", s.Goroutines, 1}} {
		trends = append(trends, []string{
			t.name, thousands(int64(t.First / t.unit)), thousands(int64(t.Last / t.unit)), fmt.Sprintf("%.2f", t.ratio()), fmt.Sprintf("≤ %.2f", soakBound),
		})
	}
	if s.Resident.First > 0 {
		b.WriteString(trends.format(1))
	}
}
