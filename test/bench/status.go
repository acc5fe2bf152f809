package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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
