package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// logs reads what a hub logs: the end of it for errors, and how often it says the same.
type logs struct {
	mu    sync.Mutex // protects the fields below
	rest  []byte     // of a line
	lines []string   // the last
	said  map[string]*repeated
}

// repeated is how often there was one cause for a warning.
type repeated struct {
	lines       int
	first, last time.Time
}

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
	var said struct{ Level, Msg, Sink, Stream, Channel string }
	if json.Unmarshal(line, &said) != nil || said.Level != "WARN" && said.Level != "ERROR" {
		return
	}
	cause := strings.TrimSpace(strings.Join([]string{said.Msg, said.Sink, said.Stream, said.Channel}, " "))
	r := l.said[cause]
	if r == nil {
		r = &repeated{first: time.Now()}
		l.said[cause] = r
	}
	r.lines++
	r.last = time.Now()
}

// noise lists causes that were logged more often than once a second, beyond a few lines
// that belong to the moment of the fault itself.
func (l *logs) noise() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const few = 10
	for cause, r := range l.said {
		if span := r.last.Sub(r.first); float64(r.lines) > span.Seconds()+few {
			list = append(list, fmt.Sprintf("%q %d times within %s", cause, r.lines, span.Round(time.Millisecond)))
		}
	}
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
