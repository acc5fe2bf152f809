package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// logs reads what a hub logs: keeps it for errors, and sees how often it says the same.
type logs struct {
	mu    sync.Mutex // protects the fields below
	rest  []byte     // of a line
	lines []string   // the last
	said  map[string]*repeated
}

// repeated is how often there was one cause for a warning.
type repeated struct {
	last   time.Time // it was logged, on the hub's clock
	bursts int       // lines that came too soon after the one before
	gap    time.Duration
}

// logGap is how long a hub has to keep quiet of a cause: a second, save what a timer and a
// clock of milliseconds may be off.
const logGap = 990 * time.Millisecond

const (
	// keptLines is how many lines are kept: a hub logs some 10 a second while much is broken.
	keptLines = 10_000
	// tailLines is how many of them belong into an error.
	tailLines = 30
)

func newLogs() *logs { return &logs{said: map[string]*repeated{}} }

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		l.line(line)
		l.rest = append([]byte(nil), rest...)
	}
}

// line takes in one line. Callers hold mu.
func (l *logs) line(line []byte) {
	if l.lines = append(l.lines, string(line)); len(l.lines) > keptLines {
		l.lines = l.lines[1:]
	}
	var said struct {
		Time                                                 time.Time
		Level, Msg, Code, Check, Node, Sink, Stream, Channel string
	}
	if json.Unmarshal(line, &said) != nil || said.Level != "WARN" && said.Level != "ERROR" {
		return
	}
	cause := strings.Join(strings.Fields(strings.Join([]string{said.Msg, said.Code, said.Check, said.Node, said.Sink, said.Stream, said.Channel}, " ")), " ")
	r := l.said[cause]
	if r == nil {
		l.said[cause] = &repeated{last: said.Time, gap: logGap}
		return
	}
	if gap := said.Time.Sub(r.last); gap < logGap {
		r.bursts++
		r.gap = min(r.gap, gap)
	}
	r.last = said.Time
}

// restart forgets what was said: another process does not know when.
func (l *logs) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.said {
		r.last = time.Time{}
	}
}

// noise lists causes that were logged more often than once a second.
func (l *logs) noise() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for cause, r := range l.said {
		if r.bursts > 0 {
			list = append(list, fmt.Sprintf("%q %d times within a second of the time before, the soonest after %s", cause, r.bursts, r.gap.Round(time.Millisecond)))
		}
	}
	slices.Sort(list)
	return list
}

// text is all lines that are kept.
func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func (l *logs) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-tailLines):], "\n")
}
