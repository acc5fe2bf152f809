package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Retention. max_events is held by the script that adds events (cache.go says when
// one is added without it). What else is to be removed, one hub removes for all, the
// one that does the housekeeping: it looks at a stream soon after something was
// published to it, when its oldest event is over max_age, and seldom otherwise. A
// stream's ttl is Redis's own.
const (
	retainInterval = time.Second
	retainStreams  = 1000                   // looked at in one interval, at most, and not for longer than half of it
	retainBudget   = 200 * time.Millisecond // for one of them
	retainRescan   = time.Minute            // for streams that it has not heard of
	retainSeldom   = 10 * time.Minute       // between two looks at one where nothing happens
	retainOwed     = 5 * time.Second        // where only sinks keep events that are over max_age
)

// retention is when to look at which stream.
type retention struct {
	mu  sync.Mutex // protects the field below
	due map[string]time.Time
}

func newRetention() *retention {
	return &retention{due: map[string]time.Time{}}
}

// stir has a stream looked at soon: something was published to it.
func (r *retention) stir(streams ...string) {
	soon := time.Now().Add(retainInterval)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, stream := range streams {
		r.plan(stream, soon)
	}
}

// stir is for streams that something was published to. Only the hub that does the
// housekeeping keeps it in mind; when it is another's turn, that one goes through all.
func (b *Broker) stir(streams []string) {
	if b.keeps() {
		b.retention.stir(streams...)
	}
}

// plan has a stream looked at not later than then. Called with mu held.
func (r *retention) plan(stream string, then time.Time) {
	if at, ok := r.due[stream]; !ok || then.Before(at) {
		r.due[stream] = then
	}
}

// meet has those looked at that are not yet known.
func (r *retention) meet(streams []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, stream := range streams {
		if _, ok := r.due[stream]; !ok {
			r.due[stream] = time.Time{}
		}
	}
}

// next takes some streams whose time has come.
func (r *retention) next(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for stream, at := range r.due {
		if len(list) == retainStreams {
			break
		}
		if !now.Before(at) {
			list = append(list, stream)
			r.due[stream] = now.Add(retainSeldom)
		}
	}
	return list
}

func (r *retention) forget(stream string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.due, stream)
}

// retain runs until ctx ends.
func (b *Broker) retain(ctx context.Context) {
	ticker := time.NewTicker(retainInterval)
	defer ticker.Stop()
	var scanned time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		b.logLosses(now)
		if !b.keeps() {
			continue
		}
		if now.Sub(scanned) > retainRescan {
			cmd := command("smembers", b.keys.streams())
			if b.work(ctx, b.keys.streams(), cmd) == nil {
				scanned = now
				names, _ := cmd.StringSlice()
				b.retention.meet(names)
			}
		}
		for _, stream := range b.retention.next(now) {
			if time.Since(now) > retainInterval/2 {
				b.retention.stir(stream) // the rest has its turn in the next interval
				continue
			}
			if err := b.trim(ctx, stream); err != nil && ctx.Err() == nil {
				b.log.Debug("retention of a stream failed, it is tried again", slog.String("stream", stream), slog.Any("error", err))
				b.retention.stir(stream)
			}
		}
	}
}
