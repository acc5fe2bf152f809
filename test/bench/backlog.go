package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// backlog is the events that wait in a stream, with ids that tell their place.
type backlog struct {
	stream string
	size   int
	base   int64 // ms of the first id
}

// perMS is how many events of a backlog share a millisecond: as if they had been
// published at 200,000 a second.
const perMS = 200

// fill makes a backlog.
func (r *rig) fill(ctx context.Context, stream string, size int) (backlog, error) {
	b := backlog{stream: stream, size: size}
	b.base = time.Now().UnixMilli() - int64(b.size/perMS) - 1000
	const piece = 1000
	for at := 0; at < b.size; at += piece {
		pipe := r.db.Pipeline()
		for n := at; n < min(at+piece, b.size); n++ {
			id := strconv.FormatInt(b.base+int64(n/perMS), 10) + "-" + strconv.Itoa(n%perMS)
			_ = pipe.Process(ctx, r.layout.add(ctx, stream, id)) // only queues
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return b, fmt.Errorf("filling the stream: %w", err)
		}
	}
	return b, nil
}

// place is where an event with this id stands; ok is false for an id that is
// none of the backlog's.
func (b backlog) place(id string) (n int, ok bool) {
	ms, seq, _ := strings.Cut(id, "-")
	m, err1 := strconv.ParseInt(ms, 10, 64)
	s, err2 := strconv.Atoi(seq)
	n = int(m-b.base)*perMS + s
	return n, err1 == nil && err2 == nil && s >= 0 && s < perMS && n >= 0 && n < b.size
}

// tally is which events of a backlog have come. It is safe for concurrent use.
type tally struct {
	backlog
	enough   int64 // events that are to come, which are all unless who made it says otherwise
	seen     []atomic.Bool
	distinct atomic.Int64
	again    atomic.Int64 // deliveries of events that had come before
	strange  atomic.Int64 // deliveries of anything else
}

func newTally(b backlog) *tally {
	return &tally{backlog: b, enough: int64(b.size), seen: make([]atomic.Bool, b.size)}
}

func (t *tally) mark(id []byte) {
	n, ok := t.place(string(id))
	switch {
	case !ok:
		t.strange.Add(1)
	case t.seen[n].Swap(true):
		t.again.Add(1)
	default:
		t.distinct.Add(1)
	}
}

func (t *tally) complete() bool { return t.distinct.Load() >= t.enough }

// check makes sure that every event came once, or as many as are enough.
func (t *tally) check() error {
	if t.complete() && t.again.Load() == 0 && t.strange.Load() == 0 {
		return nil
	}
	return fmt.Errorf("of %d events %d came, %d deliveries were repeats and %d of no such event",
		t.size, t.distinct.Load(), t.again.Load(), t.strange.Load())
}
