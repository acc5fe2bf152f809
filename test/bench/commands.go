package main

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// commands is how often Redis has executed each command, scripts' calls included.
type commands map[string]int64

// commands asks Redis; nil when it does not tell.
func (r *rig) commands() commands {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	text, err := r.db.Info(ctx, "commandstats").Result()
	if err != nil {
		return nil
	}
	c := commands{}
	for line := range strings.Lines(text) {
		// cmdstat_xadd:calls=3,usec=29,…
		name, figures, _ := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		calls, _, _ := strings.Cut(figures, ",")
		if n, err := strconv.ParseInt(calls, 10, 64); err == nil {
			c[name] = n
		}
	}
	return c
}

// minus is what came after, without the question that was asked before; nil when one of
// both is not known.
func (c commands) minus(before commands) commands {
	if c == nil || before == nil {
		return nil
	}
	since := commands{}
	for name, n := range c {
		n -= before[name]
		if name == "info" {
			n--
		}
		if n > 0 {
			since[name] = n
		}
	}
	return since
}

// all is how many there were.
func (c commands) all() (n int64) {
	for _, calls := range c {
		n += calls
	}
	return n
}
