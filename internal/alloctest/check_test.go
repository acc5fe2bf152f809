package alloctest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var kept []*int // so that what is allocated is on the heap

// benchmarkThree makes three allocations for each of two events.
func benchmarkThree(b *testing.B) {
	for b.Loop() {
		kept = kept[:0]
		for i := range 6 {
			kept = append(kept, &i)
		}
	}
}

func benchmarkFailing(b *testing.B) { b.Fatal("it does") }

func TestAllocationsAreCountedPerEvent(t *testing.T) {
	path := Path{Benchmark: benchmarkThree, Events: 2, Rounds: 1000}
	if found := path.measure(t); found < 3 || found > 3.1 {
		t.Errorf("%s makes %.3f allocations per event, want 3", path.name(), found)
	}
	if result := run(benchmarkFailing, 10); result.N != 0 {
		t.Errorf("a benchmark that fails has a result: %s", result)
	}
}

func TestOneAllocationMorePerEventIsFound(t *testing.T) {
	for _, found := range []float64{0, 0.1, 1, 3, 20, 125} {
		path := Path{Benchmark: benchmarkThree, Limit: limit(found)}
		if wrong := path.verdict(found); wrong != "" {
			t.Errorf("its own limit is not kept: %s", wrong)
		}
		if wrong := path.verdict(found + 1); !strings.HasPrefix(wrong, "benchmarkThree makes ") || !strings.Contains(wrong, "its limit is") {
			t.Errorf("one more than %.2f: %q", found, wrong)
		}
		if wrong := path.verdict(found * 0.6); raced && found >= 1 && !strings.Contains(wrong, "hides") {
			t.Errorf("%.2f where it was %.2f: %q", found*0.6, found, wrong)
		}
	}
}

func TestUpdateWritesTheLimitIntoItsRow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table.go")
	const table = `
		{Benchmark: benchmarkThreeTimes, Events: 2, Rounds: 10, Limit: 7},
		{Benchmark: benchmarkThree, Events: 2, Rounds: 1000, Limit: 99.5},
`
	if err := os.WriteFile(file, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	Path{Benchmark: benchmarkThree, Events: 2, Rounds: 1000}.update(t, file)
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	row := strings.Split(string(got), "\n")[2]
	if !strings.HasPrefix(string(got), table[:len(table)/2]) || !strings.Contains(row, "Limit: 3.3") {
		t.Errorf("the table is %s", got)
	}
}
