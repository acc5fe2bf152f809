package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// aftermath is what a server had resident around two crowds of sockets, in bytes.
type aftermath struct {
	Server  string `json:"server"`
	Sockets int64  `json:"sockets"` // of each crowd
	Before  int64  `json:"before_bytes"`
	First   int64  `json:"after_first_bytes"`
	Second  int64  `json:"after_second_bytes"`
}

// afterwards is how long after a crowd has left the memory is read.
func (r *rig) afterwards() time.Duration { return min(30*time.Second, r.opts.soak) }

// aftermath has 10,000 subscribers come to the server twice, get a message each and leave.
func (r *rig) aftermath(ctx context.Context, server string) (aftermath, error) {
	n := min(limitSockets, r.opts.sockets)
	a := aftermath{Server: server, Sockets: int64(n)}
	// The first few have it load code.
	err := r.visit(ctx, min(n, 50), func([]*socket, string) error { return nil })
	if err != nil {
		return a, err
	}
	if a.Before, err = r.settled(ctx); err != nil {
		return a, err
	}
	for _, left := range []*int64{&a.First, &a.Second} {
		m := &memory{Sockets: a.Sockets, Alone: a.Before}
		if err := r.visit(ctx, n, func(sockets []*socket, channel string) error { return r.stay(ctx, m, sockets, channel) }); err != nil {
			return a, err
		}
		if err := pause(ctx, r.afterwards()); err != nil {
			return a, err
		}
		if *left, err = residentBytes(r.pid); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (s *soak) writeCrowds(b *strings.Builder) {
	if len(s.Crowds) == 0 {
		return
	}
	left := table{{"crowd", "before", "after the first", "more", "after the second", "more"}}
	for _, a := range s.Crowds {
		left = append(left, []string{
			a.Server, thousands(a.Before >> 10),
			thousands(a.First >> 10), thousands((a.First - a.Before) >> 10),
			thousands(a.Second >> 10), thousands((a.Second - a.First) >> 10),
		})
	}
	left.write(b, fmt.Sprintf("Resident memory in KiB, without other work, before %s sockets came and after they left", thousands(s.Crowds[0].Sockets)), 1)
	goals := table{{"", "figure", "goal", "is", "met"}}
	for _, g := range s.Goals {
		goals = append(goals, g.line("crowd"))
	}
	goals.write(b, "Goals of the hub's", 2)
}
