package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// memory is what a hub had resident, in bytes.
type memory struct {
	Sockets int64 `json:"sockets"`
	Alone   int64 `json:"alone_bytes"` // before the sockets came
	Idle    int64 `json:"idle_bytes"`  // with them, before anything was published
	Used    int64 `json:"used_bytes"`  // with them, after each has got a message
	Left    int64 `json:"left_bytes"`  // after they went, and time to give back
}

// each is a socket's share in a figure.
func (m memory) each(figure int64) float64 { return float64(figure-m.Alone) / float64(m.Sockets) }

// residentBytes is what a process has in memory now.
func residentBytes(pid int) (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, fmt.Errorf("reading its memory, which only Linux tells: %w", err)
	}
	fields := bytes.Fields(statm) // proc(5): size, resident, …, in pages
	if len(fields) < 2 {
		return 0, fmt.Errorf("its memory is told as %q", statm)
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// lookEvery is how often memory is read while it settles.
const lookEvery = 200 * time.Millisecond

// settledBytes reads memory until all readings of a while lie within 1 % of each
// other. A hub gives back what it does not need once it has been quiet for 2 to 4 s.
func settledBytes(ctx context.Context, pid int, while time.Duration) (int64, error) {
	const limit = 30 * time.Second
	still := int(while/lookEvery) + 1
	var least, most int64
	n := 0
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		now, err := residentBytes(pid)
		if err != nil {
			return 0, err
		}
		if least, most = min(least, now), max(most, now); n == 0 || most-least > most/100 {
			least, most, n = now, now, 0
		}
		if n++; n == still {
			return now, nil
		}
		if err := pause(ctx, lookEvery); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("its memory does not settle")
}

// pause lets time go by.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
