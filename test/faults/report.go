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
	return os.WriteFile(path, []byte(before+tableBegin+table(results, rest, strings.TrimSpace(string(commit)))+tableEnd+after), 0o644)
}

// table is a table in Markdown: of these results, and of those from before that are not
// among them, each with the commit that it is of.
func table(results []result, before, commit string) string {
	rows := map[string]string{}
	for line := range strings.Lines(before) {
		if cells := strings.Split(line, " | "); len(cells) > 2 && !strings.Contains(line, "scenario | Redis") {
			rows[cells[0]+" | "+cells[1]] = line
		}
	}
	for i := range results {
		r := &results[i]
		rows["| "+r.Scenario+" | "+r.Topology] = r.row(commit)
	}
	var b strings.Builder
	b.WriteString("| scenario | Redis | published | unknown | delivered | again | lost | lost by failover | duplicates | announced | outage | latest | recovery | redelivered | | commit |\n")
	b.WriteString("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|---|\n")
	for _, s := range scenarios() {
		b.WriteString(rows["| "+s.name+" | "+s.topology])
	}
	return b.String()
}

func (res *result) row(commit string) string {
	f, n := res.Figures, res.Counts
	lost := n[history.Lost] + n[history.Undelivered] + n[history.Pending] + n[history.Hole]
	redelivered := "" // no hub was killed
	if f.Redelivered > 0 {
		redelivered = seconds(f.Redelivered)
	}
	word := map[int]string{valid: "valid", violated: "**violated**", noEffect: "no effect", failed: "could not be run"}[res.code()]
	return fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %d | %d | %d | %d | %s | %s | %s | %s | %s | %s |\n", res.Scenario, res.Topology, f.Published, f.Unknown, f.Delivered, f.Again,
		lost, n[history.Forfeited], n[history.Duplicate], n[history.Announced], seconds(f.Outage), seconds(f.Latest), seconds(f.Recovery), redelivered, word, commit)
}

func seconds(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
