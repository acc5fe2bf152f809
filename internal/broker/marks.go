package broker

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// markInterval: a mark follows the last message to a channel after one to two of
	// them, so that one that is lost is missed within 2 s.
	markInterval = 500 * time.Millisecond
	// marksAtOnce bounds the marks of one operation: messages need not wait for long
	// behind them.
	marksAtOnce = 100
)

// mark tells the subscribers of channels that have become quiet how many messages
// there were. It goes the way of the messages, behind them.
func (b *Broker) mark(ctx context.Context) {
	ticker := time.NewTicker(markInterval)
	defer ticker.Stop()
	forgotten := time.Now()
	for {
		var now time.Time
		select {
		case <-ctx.Done():
			return
		case now = <-ticker.C:
		}
		quiet := b.numbers.tick()
		for len(quiet) > 0 && !ended(ctx) {
			n := min(marksAtOnce, len(quiet))
			b.markAll(ctx, quiet[:n])
			quiet = quiet[n:]
		}
		if now.Sub(forgotten) > countLife {
			b.numbers.forget(now)
			forgotten = now
		}
	}
}

// markAll sends marks, and again those that may not have come through.
func (b *Broker) markAll(ctx context.Context, channels []string) {
	var answered sync.WaitGroup
	marks := map[string]redis.Cmder{}
	for _, channel := range channels {
		line := stamp{hub: b.name}.append(nil)
		cmd := command("publish", b.keys.live(channel), line)
		o := &op{cmds: []redis.Cmder{cmd}, bytes: len(line), done: answered.Done}
		o.begin = func() {
			s := b.numbers.last(channel, time.Now())
			s.hub = b.name
			s.set(line)
		}
		answered.Add(1)
		if b.messages.submit(ctx, b.keys.live(channel), o) != nil {
			answered.Done()
			b.numbers.again(channel)
			continue
		}
		marks[channel] = cmd
	}
	answered.Wait() // the lane has a time limit for each
	for channel, cmd := range marks {
		if cmd.Err() != nil {
			b.numbers.again(channel)
		}
	}
}
