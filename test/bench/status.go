package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// owed asks the hub what a sink has still to deliver, and to see acknowledged.
func (r *rig) owed(ctx context.Context, sink string) (lag, pending int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr+"/v1/sinks/"+sink, nil)
	if err != nil {
		return 0, 0, err
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	var status struct {
		Streams []struct{ Lag, Pending int64 }
	}
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		return 0, 0, fmt.Errorf("reading the sink's status: %w", err)
	}
	if answer.StatusCode != http.StatusOK || len(status.Streams) != 1 {
		return 0, 0, fmt.Errorf("the sink's status answers %d with %d streams", answer.StatusCode, len(status.Streams))
	}
	return status.Streams[0].Lag, status.Streams[0].Pending, nil
}

// fates is what became of slow broadcast subscribers since the hub started.
type fates struct{ closed, dropped int64 }

// fates asks the hub's metrics.
func (r *rig) fates(ctx context.Context) (fates, error) {
	metrics, err := r.metrics(ctx)
	return fates{closed: int64(metrics["hub_slow_subscribers_total"]), dropped: int64(metrics["hub_broadcast_dropped_total"])}, err
}

// metrics are those of the hub that have no labels.
func (r *rig) metrics(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the metrics: %w", err)
	}
	metrics := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			metrics[name] = n
		}
	}
	return metrics, nil
}
