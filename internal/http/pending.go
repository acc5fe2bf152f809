package http

import (
	"net/http"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// maxPage bounds the entries of one page of a list.
const maxPage = 1000

// pendingEvent is an event that is held, or waits until it is due.
type pendingEvent struct {
	Stream    string   `json:"stream"`
	ID        string   `json:"id"`
	State     string   `json:"state"` // held, waiting
	Transport string   `json:"transport,omitempty"`
	Hub       string   `json:"hub,omitempty"`
	Consumer  string   `json:"consumer,omitempty"`
	Held      *float64 `json:"held_seconds,omitempty"`
	Due       *float64 `json:"due_in_seconds,omitempty"`
	Attempts  int      `json:"attempts"`
}

// pending serves GET /v1/sinks/{sink}/pending.
func (h *handler) pending(w http.ResponseWriter, r *http.Request) error {
	sink, err := permitted(w, r, seesSink, auth.Sink)
	if err != nil {
		return err
	}
	limit, _, err := hub.ParsePage(r.URL.RawQuery, maxPage, "limit")
	if err != nil {
		return err
	}
	events, err := h.Broker.Pending(r.Context(), sink, limit)
	if err != nil {
		return err
	}
	events = only(events, func(e *hub.PendingEvent) string { return e.Stream }, seenStreams(who(w), sink))
	list := make([]pendingEvent, len(events))
	for i, event := range events {
		list[i] = newPendingEvent(event)
	}
	return writeJSON(w, http.StatusOK, struct {
		Pending []pendingEvent `json:"pending"`
	}{list})
}

func newPendingEvent(e hub.PendingEvent) pendingEvent {
	p := pendingEvent{Stream: e.Stream, ID: e.ID.String(), Attempts: e.Attempts}
	if e.Waits {
		due := e.Due.Seconds()
		p.State, p.Due = "waiting", &due
		return p
	}
	held := e.Held.Seconds()
	p.State, p.Held, p.Consumer = "held", &held, e.Consumer
	if e.Pulled {
		p.Transport = "http"
	} else {
		p.Transport, p.Hub = "websocket", e.Hub
	}
	return p
}
