package http

import (
	"net/http"
	"strconv"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// listDeadLetters serves GET /v1/sinks/{sink}/dead-letters.
func (h *handler) listDeadLetters(w http.ResponseWriter, r *http.Request) error {
	sink, err := permitted(w, r, seesSink, auth.Sink)
	if err != nil {
		return err
	}
	limit, cursor, err := hub.ParsePage(r.URL.RawQuery, maxPage, "limit", "cursor")
	if err != nil {
		return err
	}
	page, err := h.Broker.DeadLetters(r.Context(), sink, limit, cursor, seenStreams(who(w), sink))
	if err != nil {
		return err
	}
	if page.DeadLetters, err = seenLetters(who(w), sink, page.DeadLetters); err != nil {
		return err
	}
	writeBody(w, http.StatusOK, appendDeadLetters(nil, page))
	return nil
}

// appendDeadLetters writes a page by hand: encoding/json would rewrite the
// events' data.
func appendDeadLetters(dst []byte, page hub.DeadLetterPage) []byte {
	dst = append(dst, `{"dead_letters":[`...)
	for i := range page.DeadLetters {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendDeadLetter(dst, &page.DeadLetters[i])
	}
	dst = append(dst, ']')
	if page.Next != "" {
		dst = hub.AppendQuoted(append(dst, `,"next":`...), page.Next)
	}
	return append(dst, '}')
}

func appendDeadLetter(dst []byte, d *hub.DeadLetter) []byte {
	dst = d.Event.AppendJSON(append(dst, `{"event":`...))
	dst = hub.AppendQuoted(append(dst, `,"reason":`...), d.Reason)
	dst = strconv.AppendInt(append(dst, `,"attempts":`...), int64(d.Attempts), 10)
	dst = appendTime(dst, "first_delivered", d.FirstDelivered)
	dst = appendTime(dst, "last_delivered", d.LastDelivered)
	if d.LastConsumer != "" {
		dst = hub.AppendQuoted(append(dst, `,"last_consumer":`...), d.LastConsumer)
	}
	return append(appendTime(dst, "dead_since", d.DeadSince), '}')
}

// appendTime leaves out a time that nobody knows.
func appendTime(dst []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return hub.AppendQuoted(dst, hub.FormatTime(t))
}

// redrive serves POST /v1/sinks/{sink}/dead-letters/redrive.
func (h *handler) redrive(w http.ResponseWriter, r *http.Request) error {
	sink, body, err := h.readSink(w, r, auth.Manage)
	if err != nil {
		return err
	}
	which, err := hub.DecodeRedrive(body)
	if err != nil {
		return err
	}
	if which.Stream != "" {
		if err := mayManage(who(w), sink, which.Stream); err != nil {
			return err
		}
	}
	redriven, err := h.Broker.Redrive(r.Context(), sink, which)
	if err != nil {
		return err
	}
	answer := map[string]any{"count": redriven.Count}
	if which.IDs != nil {
		answer["redriven"], answer["not_found"] = texts(redriven.IDs), texts(redriven.NotFound)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// purgeDeadLetters serves DELETE /v1/sinks/{sink}/dead-letters.
func (h *handler) purgeDeadLetters(w http.ResponseWriter, r *http.Request) error {
	sink, err := plain(w, r, auth.Manage, auth.Sink)
	if err != nil {
		return err
	}
	if err := h.Broker.PurgeDeadLetters(r.Context(), sink); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
