package http

import (
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"eventhub/internal/hub"
)

// problem is RFC 9457's application/problem+json.
type problem struct {
	Type      string      `json:"type"`
	Title     string      `json:"title"`
	Status    int         `json:"status"`
	Detail    string      `json:"detail"`
	Code      hub.Code    `json:"code"`
	RequestID string      `json:"request_id"`
	Errors    []hub.Fault `json:"errors,omitempty"`
}

// problem answers with an error, and logs it when the hub or Redis is to blame.
func (h *handler) problem(w http.ResponseWriter, r *http.Request, err error) {
	e := hub.AsError(err)
	status := e.Code.Status()
	id := requestIDOf(r)
	if unlogged, ok := h.due(r, e.Code); ok {
		h.Log.LogAttrs(r.Context(), severity(status), "request failed", slog.String("request_id", id), slog.String("method", method(r.Method)), slog.String("path", logged(r.URL.Path)),
			slog.Int("status", status), slog.String("code", string(e.Code)), slog.Any("error", err), slog.Int("unlogged", unlogged))
	}
	header := w.Header()
	if e.RetryAfter > 0 {
		// Spread a little, so that the callers of a bad second don't come back in
		// the same second.
		seconds := int((e.RetryAfter + time.Second - 1) / time.Second)
		header.Set("Retry-After", strconv.Itoa(seconds+rand.IntN(seconds+1)))
	}
	if e.Code == hub.CodeUpgradeRequired && r.ProtoMajor == 1 { // HTTP/2 has no such headers (RFC 9113, §8.2.2)
		header.Set("Upgrade", "websocket")
		header.Set("Connection", "Upgrade")
	}
	if e.Code == hub.CodeUnauthenticated {
		header.Set("WWW-Authenticate", challenge(w))
	}
	body, _ := json.Marshal(newProblem(e, id)) // of strings and numbers: cannot fail
	header.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// due says whether a failure is to be logged, and how many of its code were not since the
// last that was: what the hub or Redis is to blame for is, of each code once a second,
// and what nobody foresaw always. It is asked before a line is put together, as nothing
// bounds how many are refused.
func (h *handler) due(r *http.Request, code hub.Code) (unlogged int, ok bool) {
	switch status := code.Status(); {
	case status < http.StatusInternalServerError || r.Context().Err() != nil:
		return 0, false
	case status == http.StatusInternalServerError:
		return 0, true
	}
	return h.complaints.Due(code)
}

func newProblem(e *hub.Error, id string) problem {
	return problem{
		Type: "urn:eventhub:problem:" + string(e.Code), Title: e.Code.Title(), Status: e.Code.Status(),
		Detail: e.Detail, Code: e.Code, RequestID: id, Errors: e.Faults,
	}
}

// challenge says how to show who asks (RFC 6750, §3). Only who has shown a token is told
// that something is wrong with it.
func challenge(w http.ResponseWriter) string {
	if rec, ok := w.(*recorder); ok && rec.tokenShown {
		return `Bearer realm="eventhub", error="invalid_token"`
	}
	return `Bearer realm="eventhub"`
}

func severity(status int) slog.Level {
	if status == http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelWarn
}

// writeJSON answers with a status and a value.
func writeJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	writeBody(w, status, body)
	return nil
}

// saysItIsJSON is not changed; a header with a list of its own would be garbage.
var saysItIsJSON = []string{hub.JSONType}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	w.Header()["Content-Type"] = saysItIsJSON
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
