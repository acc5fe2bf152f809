package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// limitsName is how -run knows what measureIdle does.
const limitsName = "limits"

const (
	limitSinks   = 500
	limitSockets = 10_000
)

// idleHub is what a hub takes while nothing is published.
type idleHub struct {
	Sockets     int     `json:"sockets"`
	Sinks       int     `json:"sinks"` // that they consume, each of a stream of its own
	Goroutines  float64 `json:"goroutines_per_socket"`
	Resident    float64 `json:"resident_bytes_per_socket"`
	CPU         float64 `json:"cpu_per_second"` // seconds
	Connections int     `json:"redis_connections"`
	Commands    float64 `json:"redis_commands_per_second"`
}

// measureIdle has ever more sockets connected to a hub that has nothing to do.
func measureIdle(ctx context.Context, opts options, dir string, progress io.Writer) (hubs []idleHub, err error) {
	for _, sockets := range upTo(opts.sockets, 10, 1000, limitSockets) {
		_, _ = fmt.Fprintf(progress, "%s %d\n", limitsName, sockets)
		r, err := newRig(ctx, opts, dir, nil)
		if err != nil {
			return hubs, err
		}
		hub := idleHub{Sockets: sockets, Sinks: min(limitSinks, sockets)}
		err = hub.measure(ctx, r)
		r.close()
		if err != nil {
			return hubs, fmt.Errorf("at %d sockets: %w", sockets, err)
		}
		hubs = append(hubs, hub)
	}
	return hubs, nil
}

func (h *idleHub) measure(ctx context.Context, r *rig) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	running, err := r.goroutines(ctx)
	if err != nil {
		return err
	}
	alone, err := r.settled(ctx)
	if err != nil {
		return err
	}
	for range h.Sinks {
		path := sinkPath(r.next("sink"), r.opts.prefetch, r.next("stream"))
		if _, err := dialSockets(ctx, r.addr, path, h.Sockets/h.Sinks); err != nil {
			return err
		}
	}
	// So many sockets always do something, so this does not wait for memory to settle: 10 s
	// are enough to give back what their coming took.
	if err := pause(ctx, 5*r.opts.duration); err != nil {
		return err
	}
	resident, err := residentBytes(r.hub.pid())
	if err != nil {
		return err
	}
	start := r.mark(r.pids(), 0)
	if err := pause(ctx, 3*r.opts.duration); err != nil {
		return err
	}
	rest := r.mark(r.pids(), int64(h.Sockets)).since(start)
	now, err := r.goroutines(ctx)
	if err != nil {
		return err
	}
	h.Goroutines, h.Resident = (now-running)/float64(h.Sockets), float64(resident-alone)/float64(h.Sockets)
	h.Commands = float64(rest.Commands.all()) / rest.Seconds
	if rest.CPU != nil {
		h.CPU = rest.CPU.Hub / rest.Seconds
	}
	h.Connections, err = r.connections(ctx)
	return err
}

// limits are what the largest of the hubs is held to.
func (h *idleHub) limits() []goal {
	return []goal{
		goal{Figure: "goroutines a socket", Most: 2}.judge(h.Goroutines),
		goal{Figure: "CPU a second and socket, µs", Most: 10}.judge(h.CPU / float64(h.Sockets) * 1e6),
		goal{Figure: "Redis connections", Most: 24}.judge(float64(h.Connections)),
		goal{Figure: "Redis commands a second", Most: 50}.judge(h.Commands),
	}
}

// missed is an error that names the limits that are not kept.
func missed(limits []goal) error {
	var faults []string
	for _, limit := range limits {
		if !limit.Met {
			faults = append(faults, fmt.Sprintf("%s: %s", limit.Figure, digits(limit.Is)))
		}
	}
	if faults == nil {
		return nil
	}
	return fmt.Errorf("not kept: %s", strings.Join(faults, "; "))
}

func idleTable(hubs []idleHub) table {
	lines := table{{"sockets", "sinks", "goroutines a socket", "KiB a socket", "CPU ms/s", "Redis connections", "commands/s"}}
	for _, h := range hubs {
		lines = append(lines, []string{
			thousands(int64(h.Sockets)), thousands(int64(h.Sinks)), fmt.Sprintf("%.2f", h.Goroutines), kibi(h.Resident),
			fmt.Sprintf("%.1f", h.CPU*1e3), thousands(int64(h.Connections)), digits(h.Commands),
		})
	}
	return lines
}

// connections is how many Redis has from anybody but the bench.
func (r *rig) connections(ctx context.Context) (n int, err error) {
	list, err := r.db.ClientList(ctx).Result()
	for line := range strings.Lines(list) {
		if !strings.Contains(line, " name="+benchName+" ") {
			n++
		}
	}
	return n, err
}

// goroutines asks the hub's metrics.
func (r *rig) goroutines(ctx context.Context) (float64, error) {
	metrics, err := r.metrics(ctx)
	if err != nil {
		return 0, err
	}
	n := metrics["go_goroutines"]
	if n == 0 {
		return 0, errors.New("the hub does not tell how many goroutines it has")
	}
	return n, nil
}
