package http

import "github.com/go-chi/chi/v5"

// routeReaders has what reads without consuming.
func (h *handler) routeReaders(r chi.Router) {
	s := newFeeds(h)
	r.Get("/v1/streams/{stream}/events", h.handle(h.page))
	r.Get("/v1/readers/ws", h.handle(h.socket(h.Reader)))
	r.Get("/v1/readers/sse", h.handle(s.serveReader))
	r.Get("/v1/broadcast/sse", h.handle(s.serveBroadcast))
}
