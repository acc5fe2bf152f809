package broker

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// declare makes the streams that there are from the start, or gives them their
// settings, as soon as Redis answers.
func (b *Broker) declare(ctx context.Context) {
	for _, stream := range slices.Sorted(maps.Keys(b.opts.Declared)) {
		config := b.opts.Declared[stream]
		for failures := 0; ; failures++ {
			info, err := b.look(ctx, stream)
			if err == nil && (info.born == "" || info.config != config) {
				_, _, err = b.PutStream(ctx, stream, config)
			}
			if err == nil || ended(ctx) {
				break
			}
			if failures == 0 {
				b.log.Warn("a declared stream could not be made, trying again", slog.String("stream", stream), slog.Any("error", err))
			}
			wait := min(100*time.Millisecond<<min(failures, 10), 5*time.Second)
			select {
			case <-ctx.Done():
			case <-time.After(wait/2 + rand.N(wait/2)):
			}
		}
	}
	b.declared.Store(true)
}
