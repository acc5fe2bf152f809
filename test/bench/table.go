package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"text/tabwriter"
	"time"
)

// print writes the tables: one of throughput, one of latency, and what failed.
func (r *report) print(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "\n%d × %s, %s, %s, Redis %s; commit %s; medians of runs\n", m.CPUs, m.Model, m.OS, m.Go, m.Redis, r.Commit)
	throughput, latencies := split(r.Rows)
	if len(throughput) > 0 {
		printThroughput(w, throughput)
	}
	if len(latencies) > 0 {
		printLatency(w, latencies)
	}
	for _, row := range r.Rows {
		if row.Error != "" {
			fmt.Fprintf(w, "\nFAILED %s: %s\n", row.Name, row.Error)
		}
	}
}

func split(rows []result) (throughput, latencies []result) {
	for _, row := range rows {
		switch {
		case row.Error != "":
		case row.Hub.Latency != nil:
			latencies = append(latencies, row)
		default:
			throughput = append(throughput, row)
		}
	}
	return throughput, latencies
}

func printThroughput(w io.Writer, rows []result) {
	fmt.Fprint(w, "\nThroughput, events a second; CPU seconds per million events while the hub was measured\n\n")
	t := newTable(w)
	fmt.Fprintln(t, "row\thub\tyardstick\tratio\tCPU hub\tRedis\tload\tspread\t")
	for _, row := range rows {
		raw, ratio := "", ""
		if row.Raw.Rate > 0 {
			raw, ratio = perSecond(row.Raw.Rate), fmt.Sprintf("%.2f", row.Ratio)
		}
		hub, redis, load := "", "", ""
		if cpu := row.Hub.CPU; cpu != nil {
			hub, redis, load = cpuFigure(cpu.Hub), cpuFigure(cpu.Redis), cpuFigure(cpu.Load)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", row.Name, perSecond(row.Hub.Rate), raw, ratio, hub, redis, load, spread(row.Hub))
	}
	_ = t.Flush()
}

func printLatency(w io.Writer, rows []result) {
	fmt.Fprint(w, "\nLatency, µs; in parentheses what the hub adds to the yardstick\n\n")
	t := newTable(w)
	fmt.Fprintln(t, "row\tp50\t\tp99\t\tp99.9\t\tyardstick p50\tp99\tp99.9\t")
	for _, row := range rows {
		hub, raw, added := row.Hub.Latency, row.Raw.Latency, row.Added
		fmt.Fprintf(t, "%s\t%s\t(+%s)\t%s\t(+%s)\t%s\t(+%s)\t%s\t%s\t%s\t\n", row.Name,
			micros(hub.P50), micros(added.P50), micros(hub.P99), micros(added.P99), micros(hub.P999), micros(added.P999),
			micros(raw.P50), micros(raw.P99), micros(raw.P999))
	}
	_ = t.Flush()
}

func newTable(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
}

// perSecond writes a rate to three digits, with thousands apart: "54,300".
func perSecond(rate float64) string {
	unit := math.Pow10(max(int(math.Log10(max(rate, 1)))-2, 0))
	text := strconv.FormatInt(int64(math.Round(rate/unit)*unit), 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func cpuFigure(seconds float64) string { return fmt.Sprintf("%.2f", seconds) }

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

// spread is how far the runs lie apart, in parts of the median.
func spread(s series) string {
	least, most := math.Inf(1), 0.0
	for _, run := range s.Runs {
		least, most = min(least, run.rate()), max(most, run.rate())
	}
	return fmt.Sprintf("%.0f%%", (most-least)/s.Rate*100)
}
