package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"eventhub/internal/hub"
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
	mu     sync.Mutex // protects the fields below
	due    map[string]time.Time
	losses map[[2]string]lossReport // by sink and stream
}

// lossReport gathers what is to be logged of a sink's losses: one that loses events all
// the time must not fill the log.
type lossReport struct {
	events int64     // since it was last logged
	logged time.Time // when
}

// lossLogInterval is between two lines of one sink and stream.
const lossLogInterval = 10 * time.Second

func newRetention() *retention {
	return &retention{due: map[string]time.Time{}, losses: map[[2]string]lossReport{}}
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

// report adds to what is to be logged of a loss.
func (r *retention) report(sink, stream string, events int64) {
	if events == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at := [2]string{sink, stream}
	report := r.losses[at]
	report.events += events
	r.losses[at] = report
}

// reports takes what is to be logged now.
func (r *retention) reports(now time.Time) map[[2]string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[[2]string]int64{}
	for at, report := range r.losses {
		switch {
		case now.Sub(report.logged) < lossLogInterval:
		case report.events == 0:
			delete(r.losses, at)
		default:
			all[at] = report.events
			r.losses[at] = lossReport{logged: now}
		}
	}
	return all
}

// bereaved: a sink has lost events of a stream.
func (b *Broker) bereaved(sink, stream string, events int64) {
	b.metrics.lost.Add(float64(events))
	b.retention.report(sink, stream, events)
}

func (b *Broker) logLosses(now time.Time) {
	for at, events := range b.retention.reports(now) {
		b.log.Warn("a sink has lost events that it had not read, or not finished: its stream was full (max_events)",
			slog.String("sink", at[0]), slog.String("stream", at[1]), slog.Int64("events", events))
	}
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

// trim removes what a stream's retention does not keep, some of it where it is
// much, and plans the next look.
func (b *Broker) trim(ctx context.Context, stream string) error {
	began := time.Now()
	t, err := b.trimOnce(ctx, stream, false, trimmed{})
	for err == nil && t.more && time.Since(began) < retainBudget {
		t, err = b.trimOnce(ctx, stream, false, trimmed{})
	}
	if err != nil {
		return err
	}
	if !t.there {
		b.retention.forget(stream)
		b.cache.unlist(stream)
		return b.work(ctx, b.keys.streams(), command("srem", b.keys.streams(), stream)) // its ttl is over
	}
	b.enlist(stream)
	r := b.retention
	r.mu.Lock()
	defer r.mu.Unlock()
	switch now := time.Now(); {
	case t.more:
		r.plan(stream, now)
	case t.due == 0:
		r.plan(stream, now.Add(retainOwed))
	case t.due > 0:
		r.plan(stream, now.Add(t.due))
	}
	return nil
}

// trimmed is the answer of trim.lua.
type trimmed struct {
	there  bool // the stream exists
	events int64
	last   string
	more   bool
	beyond int64
	due    time.Duration // until there is more to do by max_age; negative: never
	owing  []string
}

// trimOnce removes a piece of what a stream does not keep, or counts it, behind
// what was counted before.
func (b *Broker) trimOnce(ctx context.Context, stream string, dry bool, before trimmed) (t trimmed, err error) {
	const doing = "removing old events"
	fail := failure
	if dry {
		fail = readFailure
	}
	var beyond any = ""
	if before.there {
		beyond = before.beyond
	}
	cmd := trimScript.call(b.keys.stream(stream), b.streamArgs(stream, flag(dry), before.last, beyond)...)
	if err := b.work(ctx, b.keys.log(stream), cmd); err != nil {
		return t, fail(err, doing)
	}
	answer, err := cmd.Slice()
	if err != nil || len(answer) == 0 {
		return t, fail(err, doing)
	}
	if len(answer) != 7 {
		return t, fail(errAnswer, doing)
	}
	t = trimmed{
		there: true, events: number(answer[0]), more: answer[2] == int64(1), beyond: number(answer[3]),
		due: time.Duration(number(answer[4])) * time.Millisecond, owing: words(answer[5]),
	}
	t.last, _ = answer[1].(string)
	damage, _ := answer[6].([]any)
	if !dry {
		b.removed(stream, t.events, damage)
	}
	return t, nil
}

// removed: retention has removed events of a stream, and done damage to sinks, which
// is name, events lost, ….
func (b *Broker) removed(stream string, events int64, damage []any) {
	b.metrics.trimmed.Add(float64(events))
	for i := 0; i+1 < len(damage); i += 2 {
		sink, _ := damage[i].(string)
		b.bereaved(sink, stream, number(damage[i+1]))
		b.lost(sink, stream)
		b.notify(b.keys.bell(), b.name+" "+bellLost+" "+sink+" "+stream)
	}
}

// pruneLimit is how long a prune may take in all.
const pruneLimit = 5 * time.Second

// Prune removes at once what a stream's retention does not keep; dry: it only says
// what that would be.
//
// Errors: CodeStreamNotFound, CodeUnavailable, also when it takes too long: what was
// removed until then stays removed.
func (b *Broker) Prune(ctx context.Context, stream string, dry bool) (hub.Pruned, error) {
	ctx, cancel := context.WithTimeout(ctx, pruneLimit)
	defer cancel()
	var pruned hub.Pruned
	var before trimmed
	for {
		t, err := b.trimOnce(ctx, stream, dry, before)
		if err != nil {
			return pruned, err
		}
		if !t.there {
			return pruned, noSuchStream(stream)
		}
		pruned.Events += t.events
		pruned.Owed = t.owing
		if t.last != "" {
			if pruned.Last, err = hub.ParseID(t.last); err != nil {
				return pruned, failure(err, "removing old events")
			}
		}
		if !t.more {
			return pruned, nil
		}
		if dry {
			before = t
		}
	}
}
