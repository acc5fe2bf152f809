package broker

import (
	"context"
	"time"

	"eventhub/internal/hub"
)

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
		b.lostAll(sink, stream)
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
