package http

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

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
func (h *handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if !saysJSON(mediaType(r)) {
		return nil, unsupported(r, hub.JSONType)
	}
	return h.read(w, r, hub.TooLargeBody)
}

// saysJSON says whether a body of this media type is read as JSON. curl -d says
// x-www-form-urlencoded when it is told nothing, and means JSON.
func saysJSON(kind string) bool {
	return kind == "" || kind == hub.JSONType || kind == "application/x-www-form-urlencoded"
}

// mediaType is that of a body, in lower case and without parameters; "" where none
// is said, "?" where it cannot be read.
func mediaType(r *http.Request) string {
	said := r.Header.Get("Content-Type")
	if said == "" || said == hub.JSONType {
		return said
	}
	kind, _, err := mime.ParseMediaType(said)
	if err != nil {
		return "?"
	}
	return kind
}

func unsupported(r *http.Request, read string) error {
	return hub.Errorf(hub.CodeUnsupportedMedia, "Content-Type %q is not read here: send %s", clip(r.Header.Get("Content-Type")), read)
}

// plainCoding refuses what would have to be decompressed: a small body could become a
// large one. The answer says what is taken (RFC 7694, §3).
func plainCoding(w http.ResponseWriter, r *http.Request) error {
	codings, ok := r.Header["Content-Encoding"]
	if !ok {
		return nil
	}
	for _, coding := range codings {
		if coding != "" && !strings.EqualFold(coding, "identity") {
			w.Header().Set("Accept-Encoding", "identity")
			return hub.Errorf(hub.CodeUnsupportedMedia, "Content-Encoding %q is not read here: send the body as it is", clip(coding))
		}
	}
	return nil
}

// read reads a body of at most so many bytes as one request may have; tooLarge is
// the answer to a larger one.
func (h *handler) read(w http.ResponseWriter, r *http.Request, tooLarge func(hub.Limits) *hub.Error) ([]byte, error) {
	const trusted = 64 << 10 // of what a client says is to come
	if err := plainCoding(w, r); err != nil {
		return nil, err
	}
	most := int64(h.Limits.BatchBytes)
	var data []byte
	var err error
	switch n := r.ContentLength; {
	case n > most:
		drain(r, most)
		return nil, tooLarge(h.Limits)
	case n >= 0 && n <= trusted:
		data = make([]byte, n)
		_, err = io.ReadFull(r.Body, data)
	default:
		var buffer bytes.Buffer
		buffer.Grow(int(min(max(n, 0)+bytes.MinRead, trusted)))
		_, err = buffer.ReadFrom(http.MaxBytesReader(w, r.Body, most))
		data = buffer.Bytes()
	}
	if err == nil {
		return data, nil
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		drain(r, most)
		return nil, tooLarge(h.Limits)
	}
	return nil, hub.Errorf(hub.CodeInvalidRequest, "the body ended early or came too slowly")
}
