package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"
)

// rawConsume is the yardstick of sinks: go-redis reads the same log in pieces as
// large as the hub's, and sends each piece's acks along with the next read.
func rawConsume(consumers int) probe {
	return func(ctx context.Context, r *rig) (sample, error) {
		b, err := r.fill(ctx, r.next("backlog"), r.opts.backlog)
		if err != nil {
			return sample{}, err
		}
		log, t := r.layout.log(b.stream), newTally(b)
		const group = "raw"
		before := r.mark(noServer, 0)
		if err := r.db.XGroupCreate(ctx, log, group, "0").Err(); err != nil {
			return sample{}, err
		}
		var readers errgroup.Group
		for i := range consumers {
			readers.Go(func() error { return readRaw(ctx, r.db, log, group, strconv.Itoa(i), t) })
		}
		if err := readers.Wait(); err != nil {
			return sample{}, err
		}
		s := r.mark(noServer, int64(b.size)).since(before)
		pending, err := r.db.XPending(ctx, log, group).Result()
		switch {
		case err != nil:
			return s, err
		case pending.Count != 0:
			return s, fmt.Errorf("%d events are pending", pending.Count)
		}
		return s, errors.Join(t.check(), r.db.Del(ctx, log).Err())
	}
}

// rawRead is the COUNT of one XREADGROUP.
const rawRead = 1000

func readRaw(ctx context.Context, db *redis.Client, log, group, consumer string, t *tally) error {
	ack := []any{"xack", log, group}
	for {
		pipe := db.Pipeline()
		if len(ack) > 3 {
			pipe.Do(ctx, ack...)
		}
		read := pipe.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: consumer, Streams: []string{log, ">"}, Count: rawRead, Block: -1,
		})
		_, err := pipe.Exec(ctx)
		if errors.Is(err, redis.Nil) {
			return nil // the log is read
		}
		if err != nil {
			return err
		}
		ack = ack[:3]
		for _, message := range read.Val()[0].Messages {
			t.mark([]byte(message.ID))
			ack = append(ack, message.ID)
		}
	}
}
