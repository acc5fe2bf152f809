package http

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// getEvent serves GET /v1/streams/{stream}/events/{id}.
func (h *handler) getEvent(w http.ResponseWriter, r *http.Request) error {
	stream, id, err := eventOf(w, r, auth.Read)
	if err != nil {
		return err
	}
	event, err := h.Broker.Event(r.Context(), stream, id)
	if err != nil {
		return err
	}
	seen, err := hub.Sight(who(w).Scope(auth.Read, auth.Stream), stream)
	if err != nil {
		return err
	}
	if !seen.Match(event.Topic, event.Type) {
		return hub.NoEvent(stream, id)
	}
	writeBody(w, http.StatusOK, event.AppendJSON(nil))
	return nil
}

// deleteEvent serves DELETE /v1/streams/{stream}/events/{id}.
func (h *handler) deleteEvent(w http.ResponseWriter, r *http.Request) error {
	stream, id, err := eventOf(w, r, auth.Manage)
	if err != nil {
		return err
	}
	if err := h.Broker.DeleteEvent(r.Context(), stream, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// eventOf reads the stream and the id of a request that has no parameters.
func eventOf(w http.ResponseWriter, r *http.Request, verbs auth.Verb) (stream string, id hub.ID, err error) {
	if stream, err = plain(w, r, verbs, auth.Stream); err != nil {
		return "", id, err
	}
	id, err = hub.ParseID(chi.URLParam(r, "id"))
	if err != nil {
		return "", id, hub.Errorf(hub.CodeInvalidRequest, "%s", err)
	}
	return stream, id, nil
}
