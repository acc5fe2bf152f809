package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// latencyOfRedis goes from XADD to a blocking XREAD of go-redis: what a program
// without a hub between could have.
func latencyOfRedis(times int) probe {
	return func(ctx context.Context, r *rig) (sample, error) { return r.rawLatency(ctx, times*r.opts.rate) }
}

func (r *rig) rawLatency(ctx context.Context, rate int) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := r.next("timed")
	a, err := newAdder(ctx, r, stream)
	if err != nil {
		return sample{}, err
	}
	defer a.close()
	t := newTiming(rate, r.opts.duration)
	return t.run(r, noServer, cancel, a.send, func() error {
		last := "0"
		for !t.complete() && ctx.Err() == nil {
			const patience = time.Second // a blocked read does not hear of ctx
			read, err := r.db.XRead(ctx, &redis.XReadArgs{Streams: []string{r.layout.log(stream), last}, Count: rawRead, Block: patience}).Result()
			if errors.Is(err, redis.Nil) {
				continue
			}
			if err != nil {
				return err
			}
			for _, message := range read[0].Messages {
				last = message.ID
				if err := t.record(payload(message)); err != nil {
					return err
				}
			}
		}
		return ctx.Err()
	})
}

// payload is an entry in the form that the numbers of events are found in.
func payload(message redis.XMessage) []byte {
	for _, value := range message.Values {
		if text, _ := value.(string); strings.HasPrefix(text, numberHead) {
			return []byte(`"data":` + text)
		}
	}
	return nil
}
