package http

import (
	"net/http"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// seek serves POST /v1/sinks/{sink}/seek.
func (h *handler) seek(w http.ResponseWriter, r *http.Request) error {
	sink, body, err := h.readSink(w, r, auth.Manage)
	if err != nil {
		return err
	}
	stream, to, text, err := hub.DecodeSeek(body)
	if err != nil {
		return err
	}
	if err := mayManage(who(w), sink, stream); err != nil {
		return err
	}
	if err := h.Broker.Seek(r.Context(), sink, stream, to); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Stream string `json:"stream"`
		To     string `json:"to"`
	}{stream, text})
}
