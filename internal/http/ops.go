package http

import (
	"net/http"
	"time"

	"eventhub/internal/hub"
)

// livez says that the process runs; it asks nobody.
func (h *handler) livez(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz says whether this hub can publish and deliver right now. Its failure is
// for machines that route traffic, so it is no problem+json but the same JSON as
// success, with the reason.
func (h *handler) readyz(w http.ResponseWriter, r *http.Request) {
	answer := struct {
		Status   string   `json:"status"`
		Reason   string   `json:"reason,omitempty"`
		ProbeAge *float64 `json:"live_probe_age_seconds,omitempty"`
	}{Status: "ok"}
	status := http.StatusOK
	age, err := h.Broker.Ready(r.Context())
	if age >= 0 {
		seconds := age.Round(time.Millisecond).Seconds()
		answer.ProbeAge = &seconds
	}
	if h.serving.Err() != nil {
		answer.Reason = "the hub is shutting down"
	} else if err != nil {
		answer.Reason = hub.AsError(err).Detail
	}
	if answer.Reason != "" {
		answer.Status, status = "unavailable", http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	_ = writeJSON(w, status, answer) // strings and a number: cannot fail
}

// document serves a file that is part of the program.
func document(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(content)
	}
}
