package broker

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
)

// Bells are hints between hubs, sent by pub/sub. One that is lost costs time,
// never an event: the poll finds what it would have told, or who has been deaf looks.
const (
	bellNew     = "new"     // streams: they may have new events
	bellDue     = "due"     // a sink, streams: something of it can be claimed
	bellSink    = "sink"    // a sink: its settings have changed
	bellSought  = "sought"  // a sink, a stream: it was moved there
	bellReset   = "reset"   // a sink, a stream: its group was lost and made again
	bellDeleted = "deleted" // a stream, an id: this event is not to be shown any more
	bellStream  = "stream"  // a stream: its settings have changed, or it is gone
	bellLost    = "lost"    // a sink, a stream: retention has removed what it had not read
	bellGap     = "gap"     // a sink, a stream, how many, first and last id: events that it has lost
	bellHere    = "here"    // a hub has started to listen
)

// bell rings for the streams this hub has touched: those named while one ring is
// under way go into the next.
type bell struct {
	hubName string
	send    func(ctx context.Context, streams []string, message string) // returns when Redis has it, or has failed

	mu      sync.Mutex // protects the field below
	touched map[string]struct{}

	wake chan struct{} // one slot: something was touched
}

// bellStreams bounds the streams of one message, and so what a flood of stream
// names can hold here.
const bellStreams = 1000

func newBell(hubName string, send func(context.Context, []string, string)) *bell {
	return &bell{hubName: hubName, send: send, touched: map[string]struct{}{}, wake: make(chan struct{}, 1)}
}

// touch never blocks.
func (b *bell) touch(stream string) {
	b.mu.Lock()
	known := len(b.touched)
	if known < bellStreams {
		b.touched[stream] = struct{}{}
	}
	b.mu.Unlock()
	if known == 0 {
		wake(b.wake)
	}
}

func (b *bell) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		b.mu.Lock()
		streams := slices.Collect(maps.Keys(b.touched))
		clear(b.touched)
		b.mu.Unlock()
		b.send(ctx, streams, b.hubName+" "+bellNew+" "+strings.Join(streams, " "))
	}
}

// wake leaves a signal in a channel of one slot.
func wake(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// aloneRest is how long a hub that is alone lets streams gather: their housekeeping
// is in no hurry.
const aloneRest = 10 * time.Millisecond

// ringOut tells who cares of streams that this hub has touched. A bell for each pipeline
// of publishes is a tenth of what they cost, so that one which nobody hears is saved; a
// hub that was overlooked polls.
func (b *Broker) ringOut(ctx context.Context, streams []string, message string) {
	b.stir(streams)
	if !b.alive.alone(time.Now()) {
		b.send(context.Background(), b.keys.bell(), message)
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(aloneRest):
	}
}

// tell rings the bell for what concerns all hubs, this one knowing it already: a
// bell… word, and what it is about.
func (b *Broker) tell(words ...string) {
	b.notify(b.keys.bell(), b.name+" "+strings.Join(words, " "))
}

// notify publishes a hint without waiting for it.
func (b *Broker) notify(channel, message string) {
	cmd := command("publish", channel, message)
	_ = b.messages.submit(context.Background(), channel, &op{cmds: []redis.Cmder{cmd}, bytes: len(message)})
}

// onBell hears what other hubs (and this one) have rung.
func (b *Broker) onBell(message string) {
	words := strings.Fields(message)
	if len(words) < 2 || words[0] == b.name {
		return
	}
	if first := b.alive.hear(time.Now()); first && words[1] == bellHere {
		b.tell(bellHere) // that one may have begun to listen after it was told
	}
	switch words[1] {
	case bellNew:
		for _, stream := range words[2:] {
			b.ring(stream)
		}
		b.stir(words[2:])
	case bellDue:
		if len(words) > 3 {
			b.due(words[2], words[3:])
		}
	case bellSink:
		for _, sink := range words[2:] {
			b.reload(sink)
		}
	case bellReset:
		if len(words) == 4 {
			b.resetHere(words[2], words[3])
		}
	case bellStream:
		for _, stream := range words[2:] {
			b.isOther(stream)
		}
	case bellDeleted:
		if len(words) == 4 {
			if id, err := hub.ParseID(words[3]); err == nil {
				b.readers.deleted(words[2], id)
			}
		}
	case bellLost:
		if len(words) == 4 {
			b.lost(words[2], words[3])
		}
	case bellGap:
		if len(words) == 7 {
			b.told(words[2], words[3], words[4:])
		}
	case bellSought:
		if len(words) == 4 {
			b.sought(words[2], words[3])
		}
	}
}
