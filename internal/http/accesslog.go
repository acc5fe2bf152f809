package http

import (
	"log/slog"
	"net/http"
	"time"
)

// logAccess logs a request that has ended. What a client has sent is bounded, and escaped
// by the log; its query and headers, where secrets may be, are left out.
func (h *handler) logAccess(r *http.Request, rec *recorder, took time.Duration) {
	path := rec.route
	if path == "" || path == "/*" {
		path = clip(r.URL.Path)
	}
	h.AccessLog.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", requestIDOf(r)), slog.String("method", method(r.Method)), slog.String("path", path),
		slog.Int("status", rec.code()), slog.Duration("duration", took), slog.String("principal", rec.who.ID()), slog.String("remote", r.RemoteAddr))
}
