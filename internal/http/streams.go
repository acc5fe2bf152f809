package http

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

func (h *handler) routeStreams(r chi.Router) {
	const stream = "/v1/streams/{stream}"
	r.Get("/v1/streams", h.handle(h.listStreams))
	r.Put(stream, h.handle(h.putStream))
	r.Get(stream, h.handle(h.getStream))
	r.Delete(stream, h.handle(h.deleteStream))
	r.Post(stream+"/prune", h.handle(h.prune))
	r.Post(stream+"/raw", h.handle(watchless(h.publishRaw)))
	r.Post(eventsRoute, h.handle(watchless(h.publish)))
	r.Get(stream+"/events/{id}", h.handle(h.getEvent))
	r.Delete(stream+"/events/{id}", h.handle(h.deleteEvent))
}

// streamAnswer is a stream with its figures.
type streamAnswer struct {
	Stream string       `json:"stream"`
	Config streamConfig `json:"config"`
	Events int64        `json:"events"`
	First  string       `json:"first_id,omitempty"`
	Last   string       `json:"last_id,omitempty"`
	Bytes  int64        `json:"bytes"`
	Sinks  []streamSink `json:"sinks,omitzero"` // nil in a list
}

type streamConfig struct {
	MaxEvents int64      `json:"max_events"`
	MaxAge    string     `json:"max_age"`
	OnFull    string     `json:"on_full"`
	TTL       *streamTTL `json:"ttl,omitempty"`
}

type streamTTL struct {
	After   string `json:"after"`
	Sliding bool   `json:"sliding"`
}

type streamSink struct {
	Sink    string `json:"sink"`
	Lag     int64  `json:"lag"`
	Pending int64  `json:"pending"`
}

// putStream serves PUT /v1/streams/{stream}.
func (h *handler) putStream(w http.ResponseWriter, r *http.Request) error {
	stream, err := plain(w, r, auth.Manage, auth.Stream)
	if err != nil {
		return err
	}
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	config, err := hub.DecodeStreamConfig(body, h.Streams)
	if err != nil {
		return err
	}
	status, created, err := h.Broker.PutStream(r.Context(), stream, config)
	if err != nil {
		return err
	}
	status = seenOf(who(w), status)
	if created {
		return writeJSON(w, http.StatusCreated, newStreamDetails(status))
	}
	return writeJSON(w, http.StatusOK, newStreamDetails(status))
}

// getStream serves GET /v1/streams/{stream}.
func (h *handler) getStream(w http.ResponseWriter, r *http.Request) error {
	stream, err := plain(w, r, seesStream, auth.Stream)
	if err != nil {
		return err
	}
	status, err := h.Broker.Stream(r.Context(), stream)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, newStreamDetails(seenOf(who(w), status)))
}

// deleteStream serves DELETE /v1/streams/{stream}.
func (h *handler) deleteStream(w http.ResponseWriter, r *http.Request) error {
	stream, err := plain(w, r, auth.Manage, auth.Stream)
	if err != nil {
		return err
	}
	if err := h.Broker.DeleteStream(r.Context(), stream); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listStreams serves GET /v1/streams. Its cursor is the last name of a page.
func (h *handler) listStreams(w http.ResponseWriter, r *http.Request) error {
	prefix, limit, after, err := hub.ParseNamePage(r.URL.RawQuery, maxPage)
	if err != nil {
		return err
	}
	page, err := h.Broker.Streams(r.Context(), prefix, limit, after, may(who(w), seesStream, auth.Stream))
	if err != nil {
		return err
	}
	streams := make([]streamAnswer, len(page.Streams))
	for i, s := range page.Streams {
		streams[i] = newStreamAnswer(s)
	}
	return writeJSON(w, http.StatusOK, struct {
		Streams []streamAnswer `json:"streams"`
		Next    string         `json:"next,omitempty"`
	}{streams, page.Next})
}

// prune serves POST /v1/streams/{stream}/prune.
func (h *handler) prune(w http.ResponseWriter, r *http.Request) error {
	stream, err := permitted(w, r, auth.Manage, auth.Stream)
	if err != nil {
		return err
	}
	dry, err := hub.ParsePrune(r.URL.RawQuery)
	if err != nil {
		return err
	}
	pruned, err := h.Broker.Prune(r.Context(), stream, dry)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Stream string   `json:"stream"`
		DryRun bool     `json:"dry_run"`
		Events int64    `json:"events"`
		Last   string   `json:"last_id,omitempty"`
		OwedBy []string `json:"owed_by"`
	}{stream, dry, pruned.Events, idText(pruned.Last), only(pruned.Owed, itself, may(who(w), seesSink, auth.Sink))})
}

// newStreamDetails is a stream with its sinks.
func newStreamDetails(s hub.StreamStatus) streamAnswer {
	answer := newStreamAnswer(s)
	answer.Sinks = make([]streamSink, len(s.Sinks))
	for i, sink := range s.Sinks {
		answer.Sinks[i] = streamSink{sink.Sink, sink.Lag, sink.Pending}
	}
	return answer
}

func newStreamAnswer(s hub.StreamStatus) streamAnswer {
	config := streamConfig{MaxEvents: s.Config.MaxEvents, MaxAge: hub.FormatDuration(s.Config.MaxAge), OnFull: s.Config.OnFull}
	if s.Config.TTL > 0 {
		config.TTL = &streamTTL{hub.FormatDuration(s.Config.TTL), s.Config.Sliding}
	}
	return streamAnswer{Stream: s.Stream, Config: config, Events: s.Events, First: idText(s.First), Last: idText(s.Last), Bytes: s.Bytes}
}

// idText is "" for the zero id, which no event has.
func idText(id hub.ID) string {
	if id == (hub.ID{}) {
		return ""
	}
	return id.String()
}
