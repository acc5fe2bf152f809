package main

import "testing"

func TestSmallHeapsMayGrowByTheSpareHeap(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{1 << 20: 1600, 4 << 20: 400, 7 << 20: 200, 16 << 20: 100, 10 << 30: 100} {
		percent := percentOf(live)
		if percent < want-50 || percent > want+50 {
			t.Errorf("a heap of %d MiB may grow by %d %%, want about %d", live>>20, percent, want)
		}
		if grown := live * uint64(percent) / 100; live < spareHeap && (grown > spareHeap+1 || grown < spareHeap/2) {
			t.Errorf("a heap of %d MiB may grow by %d MiB", live>>20, grown>>20)
		}
	}
}
