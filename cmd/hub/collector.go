package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// spareHeap is what the heap may grow by between two collections, at least. Go
	// lets a heap double: the hub's live heap is small, and what requests leave
	// behind would have it collected 20 times a second, a quarter of all its work.
	spareHeap = 16 << 20
	// Of a hub that was busy and has less than quietBytes to collect after a
	// quietInterval, all that it does not need goes back to the system at once;
	// otherwise it would be kept for minutes. To collect costs some ms.
	quietInterval = 2 * time.Second
	quietBytes    = 2 << 20
)

// collector sees to the garbage of the whole process, so it belongs to main. It
// leaves alone who has set GOGC.
type collector struct{ percent int }

// tune sets how much garbage there may be, now and after each collection.
func (c *collector) tune() {
	if os.Getenv("GOGC") != "" {
		return
	}
	c.adjust()
	runtime.SetFinalizer(&cycle{c}, (*cycle).collected)
}

// adjust goes by the live heap of the last collection.
func (c *collector) adjust() {
	live := max(read("/gc/heap/live:bytes"), 1<<20)
	if percent := percentOf(live); percent != c.percent {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentOf is the growth that a heap may have, in coarse steps: to set another stops
// the world.
func percentOf(live uint64) int {
	percent := max(100, int(spareHeap*100/live))
	if percent > 200 {
		percent -= percent % 50
	}
	return percent
}

// cycle is garbage, so that each collection calls its finalizer, which has it live on
// until the next.
type cycle struct {
	*collector
}

func (c *cycle) collected() {
	c.adjust()
	runtime.SetFinalizer(c, (*cycle).collected)
}

// release gives memory back once the hub is quiet again, until ctx ends.
func (c *collector) release(ctx context.Context) {
	ticker := time.NewTicker(quietInterval)
	defer ticker.Stop()
	busy, before := false, read("/gc/heap/allocs:bytes")
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		allocated := read("/gc/heap/allocs:bytes")
		switch quiet := allocated-before < quietBytes; {
		case quiet && busy:
			debug.FreeOSMemory()
			busy = false
		case !quiet:
			busy = true
		}
		before = allocated
	}
}

func read(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
