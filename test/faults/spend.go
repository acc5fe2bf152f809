package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// What a hub may ask of a Redis that gives it nothing, each far above what it needs and far
// below what a loop without a rest does.
const (
	// attemptsPerSecond bounds how often a hub tries to connect while Redis is gone, paused
	// or behind a black hole.
	attemptsPerSecond = 50
	// commandsPerSecond bounds the commands of a hub while there is nothing to read.
	commandsPerSecond = 100
)

// complaints are what a scenario itself finds wrong with the hubs. Its methods may be
// called from any goroutine.
type complaints struct {
	mu   sync.Mutex // protects the field below
	list []string
}

func (c *complaints) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

// hold complains of a number of something in a time, from so many hubs, that is beyond a
// limit for each of them and second.
func (c *complaints) hold(what string, n int, during time.Duration, hubs, limit int) {
	if float64(n) > float64(hubs*limit)*during.Seconds() {
		c.add("%d %s from %d hubs within %s, more than %d a second from each", n, what, hubs, during.Round(time.Millisecond), limit)
	}
}

// all are the complaints so far.
func (c *complaints) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// attempts is how many connections have been made to the proxies, 0 without any.
func (t *topology) attempts() (n int) {
	for _, p := range t.proxies {
		n += p.Attempts()
	}
	return n
}

// watch lets the load go on for some seconds, and returns how many connections hubs have
// tried to make in each. The first second is not held against the limit: it is that of the
// connections that were there.
func (r *rig) watch(seconds int) (each []int) {
	for i := range seconds {
		before, began := r.redis.attempts(), time.Now()
		r.pass(time.Second)
		n := r.redis.attempts() - before
		if i > 0 {
			r.complaints.hold("attempts to connect", n, time.Since(began), len(r.hubs), attemptsPerSecond)
		}
		each = append(each, n)
	}
	return each
}

// commands is how often each command was called at all servers.
func (t *topology) commands(ctx context.Context, clients []*redis.Client) (map[string]int, error) {
	calls := map[string]int{}
	for _, db := range clients {
		text, err := db.Info(ctx, "commandstats").Result()
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
			if !ok {
				continue
			}
			number, _, _ := strings.Cut(rest, ",")
			n, err := strconv.Atoi(number)
			if err != nil {
				return nil, fmt.Errorf("reading %q: %w", line, err)
			}
			calls[name] += n
		}
	}
	return calls, nil
}
