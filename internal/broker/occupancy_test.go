package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

// breaksOff has the second piece of what is told fail, once.
type breaksOff struct{ pieces atomic.Int32 }

func (*breaksOff) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*breaksOff) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *breaksOff) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			args := cmd.Args()
			if len(args) > 100 && h.pieces.Add(1) == 2 {
				broken := errors.New("broken")
				cmd.SetErr(broken)
				return broken
			}
		}
		return next(ctx, cmds)
	}
}

func TestWhatWasToldInPartIsToldAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	b, err := New(Options{RedisURL: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	hook := &breaksOff{}
	b.store.engine.AddHook(hook)
	names := make([]string, 2*occupancyPiece+200)
	for i := range names {
		names[i] = fmt.Sprint("room-", i)
	}
	s, err := b.Subscribe(t.Context(), hub.BroadcastSpec{Channels: names})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(20 * time.Second)
	for {
		told := server.Client(t).ZCard(t.Context(), b.keys.channels(b.name)).Val()
		if told == int64(len(names)) && hook.pieces.Load() > 2 {
			return
		}
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("%d of %d channels are told", told, len(names))
		}
	}
}
