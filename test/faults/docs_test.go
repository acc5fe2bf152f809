package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of scenarios into docs/faults.md")

func TestDocumentedScenariosAreThoseThereAre(t *testing.T) {
	const path, begin, end = "../../docs/faults.md", "<!-- scenarios: held against the code by a test -->\n", "<!-- end of the scenarios -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	said, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatal("the page has no place for the scenarios")
	}
	if want := listed(); said != want {
		if *update {
			if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("docs/faults.md is behind: go test ./test/faults -run Documented -update\n%s", want)
	}
}

// listed is the table of scenarios.
func listed() string {
	var b strings.Builder
	b.WriteString("| scenario | what is done | on | in CI | alone |\n|---|---|---|---|---|\n")
	type row struct{ what, on, short, alone string }
	rows, order := map[string]*row{}, []string{}
	for _, s := range scenarios() {
		r := rows[s.name]
		if r == nil {
			r = &row{what: s.what}
			rows[s.name] = r
			order = append(order, s.name)
		}
		if s.alone {
			r.alone = "yes"
		}
		r.on = strings.TrimPrefix(r.on+", "+s.topology, ", ")
		if s.short {
			r.short = strings.TrimPrefix(r.short+", "+s.topology, ", ")
		}
	}
	for _, name := range order {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", name, rows[name].what, rows[name].on, rows[name].short, rows[name].alone)
	}
	return b.String()
}
