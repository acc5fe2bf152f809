package http

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"

	"eventhub/internal/hub"
)

// drain reads what a client still sends, within reason: one that is cut off while
// it writes sees a reset connection instead of the answer.
func drain(r *http.Request, most int64) {
	if r.Header.Get("Expect") != "" {
		return // it has not begun, and should not
	}
	_, _ = io.CopyN(io.Discard, r.Body, 2*most)
}

// readJSON reads the body of a request that is nothing but its body.
func (h *handler) readJSON(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := hub.NoParams(r.URL.RawQuery); err != nil {
		return nil, err
	}
	body, err := h.readBody(w, r)
	if err == nil && len(body) == 0 {
		err = hub.Errorf(hub.CodeInvalidRequest, "the body is empty: send JSON")
	}
	return body, err
}

// readBody reads a body, perhaps an empty one, that is JSON by its Content-Type.
// curl -d says x-www-form-urlencoded when it is told nothing, and means JSON.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	switch kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case r.Header.Get("Content-Type") == "":
	case err == nil && (kind == hub.JSONType || kind == "application/x-www-form-urlencoded"):
	default:
		return nil, hub.Errorf(hub.CodeUnsupportedMedia, "Content-Type %q is not read here: send %s", clip(r.Header.Get("Content-Type")), hub.JSONType)
	}
	most := int64(h.Limits.BatchBytes)
	if r.ContentLength > most {
		drain(r, most)
		return nil, hub.TooLargeBody(h.Limits)
	}
	body := http.MaxBytesReader(w, r.Body, most)
	var buffer bytes.Buffer
	const trusted = 64 << 10 // of what a client says is to come
	buffer.Grow(int(min(max(r.ContentLength, 0)+bytes.MinRead, trusted)))
	_, err := buffer.ReadFrom(body)
	data := buffer.Bytes()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		drain(r, most)
		return nil, hub.TooLargeBody(h.Limits)
	case err != nil:
		return nil, hub.Errorf(hub.CodeInvalidRequest, "the body ended early or came too slowly")
	}
	return data, nil
}
