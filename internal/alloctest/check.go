package alloctest

import (
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// Path is a hot path: a benchmark, and what it may allocate.
type Path struct {
	Benchmark func(b *testing.B)
	Events    int     // of one iteration
	Rounds    int     // iterations to measure
	Limit     float64 // allocations per event
}

// Setting is the environment variable that says what Check does. With "update" it
// writes limits by what it has measured into the table of the test that called it.
const Setting = "EVENTHUB_TEST_ALLOCS"

// tries is how often a path is measured before it is too much. What else happens in
// the process only adds, so that the least counts.
const tries = 3

// Check fails where a path allocates more than its limit, and where its limit has
// become so loose that the next change could hide behind it.
func Check(t *testing.T, paths []Path) {
	t.Helper()
	_, file, _, _ := runtime.Caller(1)
	defer steady()()
	for _, p := range paths {
		if os.Getenv(Setting) == "update" {
			p.update(t, file)
			continue
		}
		found := p.measure(t)
		for i := 1; i < tries && found > p.Limit; i++ {
			found = min(found, p.measure(t))
		}
		t.Logf("%-36s %9.3f allocations per event, limit %9.3f", p.name(), found, p.Limit)
		if wrong := p.verdict(found); wrong != "" {
			t.Error(wrong)
		}
	}
}

// verdict says what is wrong with what was found, or "".
func (p Path) verdict(found float64) string {
	switch {
	case found > p.Limit:
		return fmt.Sprintf("%s makes %.3f allocations per event, its limit is %.3f. If what they buy is worth it, run `make allocs-update` and say so in the commit",
			p.name(), found, p.Limit)
	case raced && loose(found, p.Limit):
		return fmt.Sprintf("%s makes %.3f allocations per event, so that its limit of %.3f hides what is added: run `make allocs-update`",
			p.name(), found, p.Limit)
	}
	return ""
}

// limit is the least that was found and some slack: a tenth; more than what the hub does
// beside the events, by the second; and less than one allocation, so that one more per
// event is always found.
func limit(least float64) float64 { return least + min(max(least/10, 0.05), 0.75) }

// loose says whether a limit is more than 30 % above what was found. Where that is a
// matter of hundredths, it is not.
func loose(found, limit float64) bool { return found < 0.7*limit-0.05 }

// name is that of the benchmark's function.
func (p Path) name() string {
	name := runtime.FuncForPC(reflect.ValueOf(p.Benchmark).Pointer()).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}

// measure counts the allocations of the whole process, per event.
func (p Path) measure(t *testing.T) float64 {
	t.Helper()
	result := run(p.Benchmark, p.Rounds)
	if result.N == 0 {
		t.Fatalf("%s fails; `go test -run '^$' -bench '^%[1]s$'` in its package says why", p.name())
	}
	return float64(result.MemAllocs) / float64(result.N*p.Events)
}
