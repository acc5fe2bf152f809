package alloctest

import (
	"fmt"
	"os"
	"regexp"
	"testing"
)

// updates is how often a path is measured for a new limit.
const updates = 4

// update writes the path's limit, by the least that was found, into its row of the table
// in file: `{Benchmark: BenchmarkName, Events: 100, Rounds: 500, Limit: 1.5},`.
func (p Path) update(t *testing.T, file string) {
	t.Helper()
	least := p.measure(t)
	most := least
	for range updates - 1 {
		found := p.measure(t)
		least, most = min(least, found), max(most, found)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(\{Benchmark: ` + p.name() + `,.* Limit: )[0-9.]+(\},)`)
	if len(row.FindAll(source, -1)) != 1 {
		t.Fatalf("%s has not one row of %s", file, p.name())
	}
	source = row.ReplaceAll(source, fmt.Appendf(nil, "${1}%.2f${2}", limit(least)))
	if err := os.WriteFile(file, source, 0o600); err != nil { //nolint:gosec // the file is that of the test which called Check
		t.Fatal(err)
	}
	t.Logf("%-36s %9.3f to %9.3f allocations per event, limit %9.2f, was %9.2f", p.name(), least, most, limit(least), p.Limit)
}
