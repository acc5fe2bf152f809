package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// attack is what slow attackers cost a good client, and how long the hub lets them.
type attack struct {
	Slowloris int             `json:"slowloris"` // connections, in each of the rounds
	Drips     int             `json:"drips"`     // sockets
	Alone     []time.Duration `json:"alone_p99_ns"`
	Attacked  []time.Duration `json:"attacked_p99_ns"`
	Ratio     float64         `json:"ratio"` // of their medians

	LastHeader time.Duration  `json:"last_header_ns"` // until the last slowloris was let go
	LastDrip   time.Duration  `json:"last_drip_ns"`
	Ends       map[string]int `json:"ends"` // how they ended: so many by each close code, or without one
	Error      string         `json:"error,omitempty"`
}

const (
	slowlorisConns, dripSockets = 2000, 200

	// attackRounds of the good client alone, and as many while it is attacked; their
	// medians are compared.
	attackRounds = 3
	// attackRound is shorter than the 5 s that a header may take, so that all attackers
	// are there for all of a round.
	attackRound = 3 * time.Second
	attackRate  = 500 // publishes in a second

	// The hub's limits, and how much later a loaded machine may see the end.
	headerLimit, messageLimit = 5 * time.Second, 30 * time.Second
	attackSlack               = 2 * time.Second
	// attackBound is the most that the good client's p99 may grow by.
	attackBound = 2.0
	// attackFloor is what a p99 counts as at least: below it the machine's own noise is
	// all there is.
	attackFloor = time.Millisecond
)

// measureAttack says on progress how far it is.
func measureAttack(ctx context.Context, opts options, dir string, progress io.Writer) *attack {
	a := &attack{Slowloris: min(slowlorisConns, opts.sockets), Drips: min(dripSockets, opts.sockets), Ends: map[string]int{}}
	if err := a.measure(ctx, opts, dir, progress); err != nil {
		a.Error = err.Error()
	}
	return a
}

func (a *attack) measure(ctx context.Context, opts options, dir string, progress io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	r, err := newRig(ctx, opts, dir, nil)
	if err != nil {
		return err
	}
	defer r.close()
	duration := min(attackRound, opts.duration*2) // shorter for a quick look
	if _, err := r.timePosts(ctx, warmUp); err != nil {
		return err
	}
	for range attackRounds {
		p99, err := r.timePosts(ctx, duration)
		if err != nil {
			return err
		}
		a.Alone = append(a.Alone, p99)
	}
	_, _ = fmt.Fprintln(progress, "attack: alone", a.Alone)
	crowd := &attackers{addr: r.addr}
	defer crowd.leave()
	if err := crowd.drip(ctx, a.Drips); err != nil {
		return err
	}
	for range attackRounds {
		if err := crowd.slowloris(ctx, a.Slowloris); err != nil {
			return err
		}
		p99, err := r.timePosts(ctx, duration)
		if err != nil {
			return err
		}
		a.Attacked = append(a.Attacked, p99)
		crowd.headers.Wait() // none of a round before
	}
	_, _ = fmt.Fprintln(progress, "attack: attacked", a.Attacked)
	crowd.drips.Wait()
	a.LastHeader, a.LastDrip, a.Ends = crowd.lastHeader, crowd.lastDrip, crowd.ends
	a.Ratio = float64(max(medianOf(a.Attacked), attackFloor)) / float64(max(medianOf(a.Alone), attackFloor))
	return a.judge()
}

// judge says what was not kept.
func (a *attack) judge() error {
	var faults []error
	if a.Ratio > attackBound {
		faults = append(faults, fmt.Errorf("the good client's p99 grew by a factor of %.1f, %.0f is allowed", a.Ratio, attackBound))
	}
	if a.LastHeader > headerLimit+attackSlack {
		faults = append(faults, fmt.Errorf("a slow header was let go after %s only", a.LastHeader))
	}
	if a.LastDrip > messageLimit+attackSlack {
		faults = append(faults, fmt.Errorf("a dripping socket was let go after %s only", a.LastDrip))
	}
	if n := a.Ends["close 4408"]; n != a.Drips {
		faults = append(faults, fmt.Errorf("%d of %d dripping sockets were closed with 4408: %v", n, a.Drips, a.Ends))
	}
	return errors.Join(faults...)
}

func medianOf(list []time.Duration) time.Duration {
	list = slices.Sorted(slices.Values(list))
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}

func (a *attack) text() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%d connections with slow headers in each of %d rounds, %d dripping sockets\n", a.Slowloris, attackRounds, a.Drips)
	_, _ = fmt.Fprintf(&b, "publish p99 of a good client at %d a second: alone %s, attacked %s (medians of %v and %v): %.2f times, at most %.0f\n",
		attackRate, medianOf(a.Alone), medianOf(a.Attacked), a.Alone, a.Attacked, a.Ratio, attackBound)
	_, _ = fmt.Fprintf(&b, "the last slow header was let go after %s (limit %s), the last dripping socket after %s (limit %s); ends: %v\n",
		a.LastHeader.Round(time.Millisecond), headerLimit, a.LastDrip.Round(time.Millisecond), messageLimit, a.Ends)
	if a.Error != "" {
		_, _ = fmt.Fprintf(&b, "BROKEN: %s\n", a.Error)
	}
	return b.String()
}
