package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Publish appends events to a stream, all or none, and returns their ids in
// order once Redis has them. It is safe for concurrent use, and callers share
// pipelines.
//
// Errors: CodeUnavailable when certainly nothing was stored, CodeUnconfirmed
// when the answer was lost and they may be, CodeStorageFull.
func (b *Broker) Publish(ctx context.Context, stream string, events []hub.Event) ([]hub.ID, error) {
	began := time.Now()
	key := b.keys.log(stream)
	cmd, size := addCommand(key, events)
	o := &op{cmds: []redis.Cmder{cmd}, bytes: size, done: func() { b.published(stream) }}
	if err := b.publishing.do(ctx, key, o); err != nil {
		b.metrics.publishFailures.Inc()
		return nil, failure(err, "publishing")
	}
	ids, err := addedIDs(cmd)
	if err != nil {
		b.metrics.publishFailures.Inc()
		return nil, failure(err, "publishing")
	}
	b.metrics.published.Add(float64(len(events)))
	b.metrics.publishSeconds.Observe(time.Since(began).Seconds())
	return ids, nil
}

// published tells everyone that a stream may have something new. It runs also
// when the caller has gone: the events are there all the same.
func (b *Broker) published(stream string) {
	b.ring(stream)
	b.bell.touch(stream)
}

// addCommand is a plain XADD for one event, and a script for several, which must
// be stored all or none.
func addCommand(key string, events []hub.Event) (cmd once, size int) {
	if len(events) == 1 {
		args := appendFields(append(make([]any, 0, 19), "xadd", key, "*"), &events[0])
		return command(args...), entrySize(&events[0])
	}
	args := make([]any, 0, len(events)*9)
	for i := range events {
		at := len(args)
		args = appendFields(append(args, 0), &events[i])
		args[at] = len(args) - at - 1
		size += entrySize(&events[i])
	}
	return addScript.call([]string{key}, args...), size
}

func addedIDs(cmd once) ([]hub.ID, error) {
	answer, err := cmd.Result()
	if err != nil {
		return nil, err
	}
	list, ok := answer.([]any)
	if !ok {
		list = []any{answer}
	}
	ids := make([]hub.ID, len(list))
	for i, item := range list {
		text, _ := item.(string)
		if ids[i], err = hub.ParseID(text); err != nil {
			return nil, fmt.Errorf("reading the ids that Redis gave: %w", err)
		}
	}
	return ids, nil
}
