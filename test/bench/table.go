package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// text is the report for people: tables of throughput, of latency and of memory,
// and what failed.
func (r *report) text() string {
	m := r.Machine
	var b strings.Builder
	fmt.Fprintf(&b, "%s at commit %s, %s\n%d × %s, %s, %s, Redis %s\n",
		r.Command, r.Commit, r.Time.Format(time.DateOnly), m.CPUs, m.Model, m.OS, m.Go, m.Redis)
	throughput := table{{"row", "hub", "yardstick", "ratio", "spread", "CPU hub", "Redis", "load", "commands"}}
	latencies := table{{"row", "p50", "", "p99", "", "ratio", "p99.9", "max", "yardstick p50", "p99", "p99.9", "max", "CPU hub", "Redis", "load"}}
	memories := table{{"row", "sockets", "joined/s", "idle", "after a message", "after they left", "hub alone"}}
	goals := table{{"row", "figure", "goal", "is", "met"}}
	for _, row := range r.Rows {
		for _, g := range row.Goals {
			goals = append(goals, g.line(row.Name))
		}
		switch {
		case row.Error != "":
		case row.Hub.Latency != nil:
			latencies = append(latencies, latencyLine(row))
		case row.Hub.Memory != nil:
			memories = append(memories, memoryLine(row))
		default:
			throughput = append(throughput, throughputLine(row))
		}
	}
	throughput.write(&b, "Throughput in events a second; CPU seconds per million events, while the hub was measured;\ncommands that Redis executed for each event", 1)
	latencies.write(&b, "Latency in µs; in parentheses, what the hub adds to the yardstick; ratio: of the p99 to the yardstick's;\nCPU seconds per million events", 1)
	memories.write(&b, "Resident memory of the hub in KiB a socket; of the hub without sockets in KiB", 1)
	goals.write(&b, "Goals", 2)
	for _, row := range r.Rows {
		if row.Error != "" {
			fmt.Fprintf(&b, "\nFAILED %s: %s\n", row.Name, row.Error)
		}
	}
	if r.Growth != nil {
		r.Growth.write(&b)
	}
	if r.Soak != nil {
		r.Soak.write(&b)
	}
	if r.Attack != nil {
		b.WriteString("\n" + r.Attack.text())
	}
	fmt.Fprintf(&b, "\nIt took %s.\n", time.Duration(r.Took*float64(time.Second)).Round(time.Second))
	return b.String()
}

func throughputLine(row result) []string {
	line := []string{row.Name, perSecond(row.Hub.Rate), "", "", spread(row.Hub)}
	if row.Raw.Rate > 0 {
		line[2], line[3] = perSecond(row.Raw.Rate), fmt.Sprintf("%.2f", row.Ratio)
	}
	return append(append(line, cpuCells(row.Hub.CPU)...), digits(row.Hub.commands()))
}

// cpuCells are empty where nothing is known.
func cpuCells(cpu *usage) []string {
	if cpu == nil {
		return make([]string, 3)
	}
	var cells []string
	for _, seconds := range []float64{cpu.Hub, cpu.Redis, cpu.Load} {
		cells = append(cells, fmt.Sprintf("%.2f", seconds))
	}
	return cells
}

func latencyLine(row result) []string {
	hub, raw, added := row.Hub.Latency, row.Raw.Latency, row.Added
	return append([]string{
		row.Name, micros(hub.P50), plus(added.P50), micros(hub.P99), plus(added.P99), fmt.Sprintf("%.2f", row.Ratio),
		micros(hub.P999), micros(hub.Max), micros(raw.P50), micros(raw.P99), micros(raw.P999), micros(raw.Max),
	}, cpuCells(row.Hub.CPU)...)
}

func memoryLine(row result) []string {
	m := row.Hub.Memory
	return []string{
		row.Name, thousands(m.Sockets), perSecond(row.Hub.Rate), kibi(m.each(m.Idle)), kibi(m.each(m.Used)), kibi(m.each(m.Left)),
		thousands(m.Alone >> 10),
	}
}

// perSecond writes a rate to three digits, with thousands apart: "54,300".
func perSecond(rate float64) string {
	unit := math.Pow10(max(int(math.Log10(max(rate, 1)))-2, 0))
	return thousands(int64(math.Round(rate/unit) * unit))
}

// thousands writes a number with its thousands apart.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// kibi writes bytes in KiB.
func kibi(bytes float64) string { return strconv.FormatFloat(bytes/1024, 'f', 1, 64) }

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

func plus(d time.Duration) string { return fmt.Sprintf("(%+d)", d.Microseconds()) }

// spread is how far the runs lie apart, in parts of the median.
func spread(s series) string {
	least, most := math.Inf(1), 0.0
	for _, run := range s.Runs {
		least, most = min(least, run.rate()), max(most, run.rate())
	}
	return fmt.Sprintf("%.0f%%", (most-least)/s.Rate*100)
}

// table is lines of equally many cells, the first line being the heads.
type table [][]string

// write adds the table under a title, if it has any line.
func (t table) write(b *strings.Builder, title string, texts int) {
	if len(t) > 1 {
		b.WriteString("\n" + title + "\n\n" + t.format(texts))
	}
}

// format aligns the first columns, so many texts, to the left, the others, figures, to
// the right.
func (t table) format(texts int) string {
	widths := make([]int, len(t[0]))
	for _, line := range t {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, line := range t {
		for i, cell := range line {
			if i > 0 {
				b.WriteString("  ")
			}
			width := widths[i]
			if i < texts {
				width = -width
			}
			fmt.Fprintf(&b, "%*s", width, cell)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
