package http

import (
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// logAccess logs a request that has ended. What a client has sent is bounded and escaped;
// its query and headers, where secrets may be, are left out.
func (h *handler) logAccess(r *http.Request, rec *recorder, took time.Duration) {
	path := rec.route
	if path == "" || path == "/*" {
		path = r.URL.Path
	}
	h.AccessLog.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("request_id", requestIDOf(r)), slog.String("method", method(r.Method)), slog.String("path", logged(path)),
		slog.Int("status", rec.code()), slog.Duration("duration", took), slog.String("principal", logged(rec.who.ID())), slog.String("remote", r.RemoteAddr))
}

// logged is a client's text as a log may show it: bounded, and with everything escaped
// that a terminal would not show as it is. slog leaves DEL, and JSON also what turns the
// direction of text.
func logged(text string) string {
	text = clip(text)
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' {
			quoted := strconv.QuoteToASCII(text)
			return quoted[1 : len(quoted)-1]
		}
	}
	return text
}
