package redistest_test

import (
	"strings"
	"testing"
	"time"

	"eventhub/internal/redistest"
)

func TestShapedTrafficIsSlowAndWhole(t *testing.T) {
	t.Parallel()
	for name, shape := range map[string]redistest.Shape{
		"latency":   {Latency: 100 * time.Millisecond, Jitter: 20 * time.Millisecond},
		"slices":    {Slice: 1},
		"bandwidth": {BytesPerSecond: 8 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := redistest.NewProxy(t, redistest.Start(t).Addr())
			client := through(t, p, -1)
			p.SetShape(shape)
			text, began := strings.Repeat("x", 1<<10), time.Now()
			if err := client.Set(t.Context(), "k", text, 0).Err(); err != nil {
				t.Fatal(err)
			}
			if got := client.Get(t.Context(), "k").Val(); got != text {
				t.Errorf("got %d bytes, want those %d", len(got), len(text))
			}
			pieces, _ := p.Shaped()
			switch took := time.Since(began); {
			case shape.Slice > 0 && pieces < 2*len(text):
				t.Errorf("%d bytes and more went in %d pieces", 2*len(text), pieces)
			case shape.Latency > 0 && took < 4*(shape.Latency-shape.Jitter):
				t.Errorf("two exchanges took %s", took)
			case shape.BytesPerSecond > 0 && took < time.Second/4:
				t.Errorf("2 KiB at 8 KiB/s took %s", took)
			}
			p.Restore()
			if before, _ := p.Shaped(); client.Ping(t.Context()).Err() != nil || before != pieces {
				t.Error("the network is not good again")
			}
		})
	}
}

func TestResetConnectionsEnd(t *testing.T) {
	t.Parallel()
	p := redistest.NewProxy(t, redistest.Start(t).Addr())
	client := through(t, p, -1)
	p.SetShape(redistest.Shape{ResetEvery: 1})
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Error("a reset connection has answered")
	}
	if _, resets := p.Shaped(); resets == 0 {
		t.Error("no reset was counted")
	}
	p.Restore()
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}
