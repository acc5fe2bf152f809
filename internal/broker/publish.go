package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// publishWidth is how many pipelines of publishes may be under way at once. Who
// publishes waits for the answer before he goes on, so there is no order to keep
// between them; and with one, 64 callers leave the hub idle while Redis works.
const publishWidth = 2

// Publish appends events to a stream, all or none, and returns their ids in
// order once Redis has them, and a replica, where that is asked for. It is safe for
// concurrent use, and callers share pipelines.
//
// Errors: CodeUnavailable when certainly nothing was stored, CodeUnconfirmed
// when the answer was lost and they may be, or no replica has them yet, CodeStreamNotFound, CodeConflict for
// an idempotency key with other content, CodeStreamFull, CodeStorageFull.
func (b *Broker) Publish(ctx context.Context, p hub.Publication) (hub.Published, error) {
	began := time.Now()
	if p.Durability == "" {
		p.Durability = b.opts.Durability
	}
	published, err := b.publish(ctx, p)
	if err != nil {
		if hub.AsError(err).Code.Status() >= 500 {
			b.metrics.publishFailures.Inc()
		}
		return hub.Published{}, err
	}
	b.metrics.published.Add(float64(len(published.IDs) - len(published.Replayed)))
	b.metrics.publishSeconds.Observe(time.Since(began).Seconds())
	published.Durability = p.Durability
	return published, nil
}

func (b *Broker) publish(ctx context.Context, p hub.Publication) (hub.Published, error) {
	const doing = "publishing"
	if b.simple(p) {
		id, stored, err := b.append(ctx, b.lanesOf(p), p.Stream, &p.Events[0])
		if err != nil {
			return hub.Published{}, failure(err, doing)
		}
		if stored {
			return hub.Published{IDs: []hub.ID{id}}, nil
		}
		b.cache.forget(p.Stream) // its log is gone
	}
	cmd, size := b.addCommand(p)
	var published hub.Published
	var refused error
	epoch := b.cache.now()
	o := &op{cmds: []redis.Cmder{cmd}, bytes: size, stream: p.Stream, done: func() {
		// Also when the caller has gone: others are to know what was done.
		published, refused = b.added(p, cmd, epoch)
		b.published(p.Stream, lastOf(published))
	}}
	if err := b.lanesOf(p).do(ctx, b.keys.log(p.Stream), o); err != nil {
		return hub.Published{}, failure(err, doing)
	}
	if refused == nil && o.short != nil {
		return hub.Published{}, o.short
	}
	return published, failure(refused, doing)
}

// lanesOf are those that give a publication the durability that it asks for.
func (b *Broker) lanesOf(p hub.Publication) *lanes {
	if p.Durability == hub.Replicated {
		return b.replicating
	}
	return b.publishing
}

// simple says whether a publication needs no script.
//
// Without auto-creation all do: a stream that was deleted a moment ago must not come
// back.
func (b *Broker) simple(p hub.Publication) bool {
	return !b.opts.NoAutoCreate && len(p.Events) == 1 && p.Key == "" && p.Events[0].IdempotencyKey == "" && !p.IfExists && b.cache.take(p.Stream)
}

// append adds one event to a stream that is known; stored is false when it does not
// exist any more.
func (b *Broker) append(ctx context.Context, lanes *lanes, stream string, e *hub.Event) (id hub.ID, stored bool, err error) {
	key := b.keys.log(stream)
	a := &addition{broker: b, cmd: command(appendFields(append(make([]any, 0, 20), "xadd", key, "nomkstream", "*"), e)...)}
	a.cmds[0] = a.cmd
	a.op = op{cmds: a.cmds[:], bytes: entrySize(e), stream: stream, done: a.done}
	if err := lanes.do(ctx, key, &a.op); err != nil {
		return id, false, err
	}
	if errors.Is(a.err, redis.Nil) {
		return id, false, nil
	}
	if a.err == nil && a.op.short != nil {
		return id, true, a.op.short
	}
	return a.id, a.err == nil, a.err
}

// addition is an event on its way into a stream.
type addition struct {
	op     op
	broker *Broker
	cmd    once
	cmds   [1]redis.Cmder
	id     hub.ID // set by done, as is err
	err    error
}

// done runs also when the caller has gone: the event is there all the same.
func (a *addition) done() {
	var answer any
	if answer, a.err = a.cmd.Result(); a.err == nil {
		a.id, a.err = parseAny(answer)
	}
	a.broker.published(a.op.stream, a.id)
}

// published tells everyone that a stream may have something new, up to this id
// where it is known.
func (b *Broker) published(stream string, last hub.ID) {
	if w := b.watched(stream); w != nil {
		w.added(last)
	}
	b.bell.touch(stream)
}

// lastOf is the last id that was added, the zero one where that is not known: where some
// were there before, the last may be one of those.
func lastOf(p hub.Published) hub.ID {
	if len(p.IDs) == 0 || len(p.Replayed) > 0 {
		return hub.ID{}
	}
	return p.IDs[len(p.IDs)-1]
}

// addCommand is the script that adds events.
func (b *Broker) addCommand(p hub.Publication) (cmd once, size int) {
	args := b.streamArgs(p.Stream, flag(!p.IfExists && b.creatable(p.Stream)), len(p.Events), b.opts.IdempotencyWindow.Milliseconds())
	keys := b.keys.stream(p.Stream)
	request := ""
	if p.Key != "" {
		request = requestHash(p.Events)
		keys = append(keys, b.keys.request(p.Stream, p.Key))
	}
	args = append(args, request)
	for i := range p.Events {
		e, hash := &p.Events[i], ""
		if e.IdempotencyKey != "" {
			hash = eventHash(e)
			keys = append(keys, b.keys.event(p.Stream, e.IdempotencyKey))
		}
		at := len(args) + 1
		args = appendFields(append(args, hash, 0), e)
		args[at] = len(args) - at - 1
		size += entrySize(e)
	}
	return addScript.call(keys, args...), size
}

// added reads the answer of add.lua, and does what follows of it. It does not block.
func (b *Broker) added(p hub.Publication, cmd once, epoch uint64) (hub.Published, error) {
	answer, err := cmd.Slice()
	if err != nil {
		return hub.Published{}, err
	}
	if len(answer) == 0 {
		return hub.Published{}, errAnswer
	}
	switch answer[0] {
	case "missing":
		return hub.Published{}, b.missing(p.Stream)
	case "conflict":
		return hub.Published{}, contradiction(answer[1:])
	case "full":
		return hub.Published{}, full(p, answer[1:])
	}
	if len(answer) != 9 {
		return hub.Published{}, errAnswer
	}
	var published hub.Published
	for _, text := range words(answer[1]) {
		id, err := hub.ParseID(text)
		if err != nil {
			return hub.Published{}, fmt.Errorf("reading the ids that Redis gave: %w", err)
		}
		published.IDs = append(published.IDs, id)
	}
	if len(published.IDs) != len(p.Events) {
		return hub.Published{}, errAnswer
	}
	published.Replayed = indexes(answer[2])
	if answer[3] == int64(1) {
		b.cache.unlist(p.Stream)
	}
	b.enlist(p.Stream)
	if !published.Replay() {
		b.cache.learn(p.Stream, epoch, answer[6] == int64(1), number(answer[4]), number(answer[5]), b.alive.count())
	}
	damage, _ := answer[8].([]any)
	b.removed(p.Stream, number(answer[7]), damage)
	return published, nil
}

func indexes(v any) []int {
	list, _ := v.([]any)
	var indexes []int
	for _, item := range list {
		indexes = append(indexes, int(number(item)))
	}
	return indexes
}

// full is the answer to who publishes to a stream that rejects what is beyond its
// bound.
func full(p hub.Publication, answer []any) error {
	if len(answer) != 3 {
		return errAnswer
	}
	length, most, n := number(answer[0]), number(answer[1]), len(p.Events)
	way := "It takes more once its sinks have acknowledged the oldest"
	switch {
	case int64(n) > most:
		way = "They never will: send fewer at a time, or allow more with a PUT of the stream"
	case number(answer[2]) == 0:
		way = "It has no sink whose acknowledgements would make room: only max_age, or a PUT of the stream, does"
	}
	e := hub.Errorf(hub.CodeStreamFull, "the stream %q has %d of at most %d events (max_events), and %d more do not fit; nothing was stored. %s",
		p.Stream, length, most, n, way)
	e.RetryAfter = retryAfter
	return e
}
