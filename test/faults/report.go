package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"eventhub/test/faults/history"
)

// What stands around the table in docs/faults.md.
const (
	tableBegin = "<!-- results: written by make faults -->\n"
	tableEnd   = "<!-- end of the results -->\n"
)

// writeTable puts the results of a run into the page.
func writeTable(ctx context.Context, path string, results []result) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return errors.New(path + " has no place for the results")
	}
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	text := fmt.Sprintf("Commit `%s`, %s, by `make faults`.\n\n%s", strings.TrimSpace(string(commit)), time.Now().UTC().Format(time.DateOnly), table(results))
	return os.WriteFile(path, []byte(before+tableBegin+text+tableEnd+after), 0o644) //nolint:gosec // G306: a page of the repository
}

// table is a table in Markdown.
func table(results []result) string {
	var b strings.Builder
	b.WriteString("| scenario | Redis | published | unknown | delivered | again | lost | lost by failover | duplicates | announced | outage | latest | recovery | |\n")
	b.WriteString("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
	for i := range results {
		r := &results[i]
		f, n := r.Figures, r.Counts
		lost := n[history.Lost] + n[history.Undelivered] + n[history.Pending] + n[history.Hole]
		word := map[int]string{valid: "valid", violated: "**violated**", noEffect: "no effect", failed: "could not be run"}[r.code()]
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d | %d | %d | %d | %s | %s | %s | %s |\n", r.Scenario, r.Topology, f.Published, f.Unknown, f.Delivered, f.Again,
			lost, n[history.Forfeited], n[history.Duplicate], n[history.Announced], seconds(f.Outage), seconds(f.Latest), seconds(f.Recovery), word)
	}
	return b.String()
}

func seconds(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
