package broker

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// The poll finds what no bell has told: bells that were lost, and events that
// other programs add. On one Redis it is one XREAD over many streams in use,
// every second. On Cluster each stream needs its own, so they take turns; none waits for
// another, as a node may be dead. A stream of which all readers know that there is more is
// left out, as the answer has an event of each.
//
// It also finds groups that are gone, of some sinks in turn: of a sink where
// nothing happens, nobody else would notice before the next event.
const (
	pollInterval = time.Second
	pollStreams  = 64 // of one XREAD
	pollCluster  = 20 // streams a second
	pollGroups   = 10 // groups a second
)

func (b *Broker) poll(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	turn, groups := 0, 0
	asking := asking{streams: map[string]bool{}}
	defer asking.running.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		b.pollGroups(groups)
		groups += pollGroups
		streams, lasts := b.polled()
		if len(streams) == 0 {
			continue
		}
		if !b.store.cluster {
			for at := 0; at < len(streams); at += pollStreams {
				end := min(at+pollStreams, len(streams))
				b.pollOnce(ctx, streams[at:end], lasts[at:end])
			}
			continue
		}
		for range min(pollCluster, len(streams)) {
			i := turn % len(streams)
			asking.ask(streams[i], func() { b.pollOnce(ctx, streams[i:i+1], lasts[i:i+1]) })
			turn++
		}
	}
}

// asking are the streams that a poll is waiting to hear of.
type asking struct {
	mu      sync.Mutex // protects the field below
	streams map[string]bool
	running sync.WaitGroup // one goroutine for each
}

// ask polls a stream, unless that is under way.
func (a *asking) ask(stream string, poll func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.streams[stream] {
		return
	}
	a.streams[stream] = true
	a.running.Go(func() {
		poll()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.streams, stream)
	})
}

func (b *Broker) polled() (streams []string, lasts []hub.ID) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for name, w := range b.watchers {
		if last, ok := w.last(); ok {
			streams, lasts = append(streams, name), append(lasts, last)
		}
	}
	return streams, lasts
}

// pollGroups asks for the groups of some sinks in use here, from one on. It does not
// wait: a node that is dead must not hold up the rest of the poll.
func (b *Broker) pollGroups(from int) {
	watchers := b.watching()
	for i := range min(pollGroups, len(watchers)) {
		w := watchers[(from+i)%len(watchers)]
		key := b.keys.log(w.stream)
		cmd := command("xpending", key, w.sink.name)
		o := &op{cmds: []redis.Cmder{cmd}}
		o.done = func() {
			if err := cmd.Err(); isNoGroup(err) {
				b.at(w.sink.name, w.stream, func(s *sink, st *sinkStream) { s.lost(st, err) })
			}
		}
		_ = b.working.submit(context.Background(), key, o)
	}
}

func (b *Broker) pollOnce(ctx context.Context, streams []string, lasts []hub.ID) {
	args := []any{"xread", "count", 1, "streams"}
	byKey := make(map[string]string, len(streams))
	for _, stream := range streams {
		key := b.keys.log(stream)
		byKey[key] = stream
		args = append(args, key)
	}
	for _, last := range lasts {
		args = append(args, last.String())
	}
	cmd := command(args...)
	if err := b.work(ctx, b.keys.log(streams[0]), cmd); err != nil {
		return // redis.Nil: nothing new; anything else shows where it matters
	}
	answer, err := cmd.Slice()
	if err != nil {
		return
	}
	for _, item := range answer {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			continue
		}
		key, _ := pair[0].(string)
		b.pollFound(ctx, byKey[key], key)
	}
}

// pollFound rings for a stream that has more than some sink or tail here knows of. It asks
// for the last id first: what another hub has consumed meanwhile must not be
// found again, entry by entry.
func (b *Broker) pollFound(ctx context.Context, stream, key string) {
	cmd := command("xrevrange", key, "+", "-", "count", 1)
	if b.work(ctx, key, cmd) != nil {
		return // the next poll finds it
	}
	entries, _ := cmd.Slice()
	w := b.watched(stream)
	if w == nil || len(entries) == 0 {
		return
	}
	if pair, _ := entries[0].([]any); len(pair) == 2 {
		if last, err := parseAny(pair[0]); err == nil {
			w.found(last)
		}
	}
}
