package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report is all that a run of the bench has found.
type report struct {
	Command string    `json:"command"`
	Commit  string    `json:"commit"`
	Time    time.Time `json:"time"`
	Took    float64   `json:"took_seconds"`
	Machine machine   `json:"machine"`
	Rows    []result  `json:"rows,omitempty"`
	Growth  *growth   `json:"growth,omitempty"`
	Soak    *soak     `json:"soak,omitempty"`
	Attack  *attack   `json:"attack,omitempty"`
}

type machine struct {
	CPUs  int    `json:"cpus"`
	Model string `json:"model"`
	OS    string `json:"os"`
	Go    string `json:"go"`
	Redis string `json:"redis"`
}

// result is one row measured.
type result struct {
	Name      string   `json:"name"`
	Work      string   `json:"work"`
	Yardstick string   `json:"yardstick,omitempty"`
	Hub       series   `json:"hub"`
	Raw       series   `json:"raw,omitzero"`
	Ratio     float64  `json:"ratio,omitempty"` // hub to yardstick, of the median rates, or of the median p99
	Added     *latency `json:"added,omitempty"` // hub less yardstick, of the median latencies
	Goals     []goal   `json:"goals,omitempty"`
	Took      float64  `json:"took_seconds"`    // with all that is not measured
	Error     string   `json:"error,omitempty"` // then the figures don't count
}

// judge sets the figures beside the row's goals.
func (r *result) judge(goals []goal) {
	for _, g := range goals {
		r.Goals = append(r.Goals, g.judge(g.of(r)))
	}
}

// compare sets the hub's figures in relation to the yardstick's.
func (r *result) compare() {
	switch hub, raw := r.Hub.Latency, r.Raw.Latency; {
	case hub != nil && raw != nil:
		r.Added = &latency{P50: hub.P50 - raw.P50, P99: hub.P99 - raw.P99, P999: hub.P999 - raw.P999, Max: hub.Max - raw.Max}
		r.Ratio = float64(hub.P99) / float64(raw.P99)
	case r.Raw.Rate > 0:
		r.Ratio = r.Hub.Rate / r.Raw.Rate
	}
}

func newReport(ctx context.Context, args []string) (*report, error) {
	version, err := exec.CommandContext(ctx, "redis-server", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, errNoRedis
	}
	if err != nil {
		return nil, fmt.Errorf("asking redis-server for its version: %w", err)
	}
	rep := &report{
		Command: strings.Join(append([]string{"go run ./test/bench"}, args...), " "),
		Commit:  commit(ctx), Time: time.Now().UTC().Truncate(time.Second),
		Machine: machine{
			CPUs: runtime.NumCPU(), Model: cpuModel(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(),
			Redis: redisVersion(string(version)),
		},
	}
	switch strings.Join(args, " ") {
	case "":
		rep.Command = "make bench"
	case "-growth":
		rep.Command = "make growth"
	case "-attack":
		rep.Command = "make attack"
	case "-soak 5m":
		rep.Command = "make soak"
	}
	return rep, nil
}

// redisVersion picks 7.0.15 out of "Redis server v=7.0.15 sha=…".
func redisVersion(text string) string {
	_, version, _ := strings.Cut(text, "v=")
	version, _, _ = strings.Cut(version, " ")
	return version
}

// commit is what the working tree was built from; "" outside a repository.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	_, model, _ := strings.Cut(string(info), "model name\t: ")
	model, _, _ = strings.Cut(model, "\n")
	return model
}

func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// failure names the rows that failed, nil for none.
func (r *report) failure() error {
	var names []string
	for _, row := range r.Rows {
		if row.Error != "" {
			names = append(names, row.Name)
		}
	}
	if r.Growth != nil {
		names = append(names, r.Growth.failures()...)
	}
	if r.Soak != nil && r.Soak.Error != "" {
		names = append(names, "soak")
	}
	if r.Attack != nil && r.Attack.Error != "" {
		names = append(names, "attack")
	}
	if names == nil {
		return nil
	}
	return fmt.Errorf("failed: %s", strings.Join(names, ", "))
}
