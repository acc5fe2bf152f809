package http

import (
	"net/http"

	"eventhub/internal/hub"
)

// publish serves POST /v1/streams/{stream}/events.
func (h *handler) publish(w http.ResponseWriter, r *http.Request) error {
	stream, err := name(r, "stream")
	if err != nil {
		return err
	}
	events, batch, err := h.readEvents(w, r)
	if err != nil {
		return err
	}
	ids, err := h.Broker.Publish(r.Context(), stream, events)
	if err != nil {
		return err
	}
	body := append(appendIDs(make([]byte, 0, 64+24*len(ids)), texts(ids), batch), `,"stream":`...)
	writeBody(w, http.StatusCreated, append(hub.AppendQuoted(body, stream), '}'))
	return nil
}

// broadcast serves POST /v1/broadcast/{channel}.
func (h *handler) broadcast(w http.ResponseWriter, r *http.Request) error {
	channel, err := name(r, "channel")
	if err != nil {
		return err
	}
	events, batch, err := h.readEvents(w, r)
	if err != nil {
		return err
	}
	ids, err := h.Broker.Broadcast(r.Context(), channel, events)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusAccepted, append(appendIDs(nil, ids, batch), '}'))
	return nil
}

func (h *handler) readEvents(w http.ResponseWriter, r *http.Request) (events []hub.Event, batch bool, err error) {
	if r.Header.Get("Idempotency-Key") != "" {
		// Better refused than taken for a promise.
		return nil, false, hub.Errorf(hub.CodeInvalidRequest, "the header Idempotency-Key is not supported yet; nothing was stored")
	}
	body, err := h.readJSON(w, r)
	if err != nil {
		return nil, false, err
	}
	return hub.DecodeEvents(body, h.Limits)
}

// appendIDs opens the answer to a publish: one id, or a list for a batch.
func appendIDs(dst []byte, ids []string, batch bool) []byte {
	if !batch {
		return hub.AppendQuoted(append(dst, `{"id":`...), ids[0])
	}
	dst = append(dst, `{"ids":[`...)
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = hub.AppendQuoted(dst, id)
	}
	return append(dst, ']')
}
