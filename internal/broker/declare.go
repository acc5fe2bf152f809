package broker

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// declare makes the streams that there are from the start, or gives them their
// settings, as soon as Redis answers. One that cannot be made holds up no other.
func (b *Broker) declare(ctx context.Context) {
	missing := slices.Sorted(maps.Keys(b.opts.Declared))
	for failures := 0; ; failures++ {
		missing = slices.DeleteFunc(missing, func(stream string) bool {
			err := b.declareOne(ctx, stream)
			if err != nil && failures == 0 && !ended(ctx) {
				b.log.Warn("a declared stream could not be made, trying again", slog.String("stream", stream), slog.Any("error", err))
			}
			return err == nil
		})
		if len(missing) == 0 {
			b.declared.Store(true)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff(failures, firstDelay, 5*time.Second)):
		}
	}
}

func (b *Broker) declareOne(ctx context.Context, stream string) error {
	info, err := b.look(ctx, stream)
	if config := b.opts.Declared[stream]; err == nil && (info.born == "" || info.config != config) {
		_, _, err = b.PutStream(ctx, stream, config)
	}
	return err
}
