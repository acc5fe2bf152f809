package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	// allEvery is how often a night has all scenarios, and not just the mixes of them.
	allEvery = 10
	// vainRounds is after how many rounds in a row of which nothing could be run there is no
	// use in going on.
	vainRounds = 3
	// toldLimit bounds the failures that a summary tells; all are counted.
	toldLimit = 100
)

// player runs scenarios once, as performAll does.
type player func(ctx context.Context, list []*scenario, opts options, stdout io.Writer) []result

// rounds runs scenarios once, or one seed after another until the night is over. What fails
// does not end a night. At the end it says what came of all, and returns the worst exit code.
func rounds(ctx context.Context, opts options, stdout io.Writer, play player) (int, error) {
	sum, began, vain := summary{codes: map[int]int{}}, time.Now(), 0
	for round := 1; vain < vainRounds; round++ {
		list := chosen(opts)
		if opts.night > 0 && round%allEvery != 0 {
			list = mixesOf(list)
		}
		results := play(ctx, list, opts, stdout)
		if opts.docs != "" && ctx.Err() == nil {
			if err := writeTable(ctx, opts.docs, results); err != nil {
				return failed, err
			}
		}
		if ctx.Err() != nil { // what it has ended says nothing of the hubs
			results = slices.DeleteFunc(results, func(res result) bool { return res.Error != "" })
		}
		sum.add(results)
		if vain++; slices.ContainsFunc(results, func(res result) bool { return res.code() != failed }) {
			vain = 0
		}
		if ctx.Err() != nil || time.Since(began) >= opts.night {
			break
		}
		opts.seed++
	}
	_, _ = io.WriteString(stdout, sum.String(time.Since(began))) // nobody may listen
	return sum.worst(), ctx.Err()
}

// mixesOf are the mixes among scenarios, or all where there is none.
func mixesOf(list []*scenario) []*scenario {
	if mixes := slices.DeleteFunc(slices.Clone(list), func(s *scenario) bool { return s.draw == nil }); len(mixes) > 0 {
		return mixes
	}
	return list
}

// summary is what came of all rounds.
type summary struct {
	codes map[int]int // how many have ended so
	told  []string    // of those that failed
}

func (s *summary) add(results []result) {
	for i := range results {
		res := &results[i]
		code := res.code()
		if s.codes[code]++; code == valid || len(s.told) == toldLimit {
			continue
		}
		why := append(slices.Clone(res.Wrong), strings.Split(res.Error, "\n")[0], "a fault had no effect")
		first := why[slices.IndexFunc(why, func(text string) bool { return text != "" })]
		s.told = append(s.told, fmt.Sprintf("%-9s %s on %s: %.200s\n  again with: %s\n", word(code), res.Scenario, res.Topology, first, res.again()))
	}
}

// worst is the exit code of all: a broken promise counts most. Nothing at all is a failure.
func (s *summary) worst() int {
	for _, code := range []int{violated, failed, noEffect, valid} {
		if s.codes[code] > 0 {
			return code
		}
	}
	return failed
}

// String counts them, and names those that failed, each with the command that repeats it.
func (s *summary) String(took time.Duration) string {
	var b strings.Builder
	ran := s.codes[valid] + s.codes[violated] + s.codes[noEffect] + s.codes[failed]
	fmt.Fprintf(&b, "%d scenarios took %s", ran, took.Round(time.Second))
	for _, code := range []int{valid, violated, noEffect, failed} {
		if n := s.codes[code]; n > 0 {
			fmt.Fprintf(&b, ", %d %s", n, word(code))
		}
	}
	b.WriteString("\n" + strings.Join(s.told, ""))
	if more := ran - s.codes[valid] - len(s.told); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return b.String()
}
