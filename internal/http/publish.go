package http

import (
	"net/http"
	"strconv"

	"eventhub/internal/hub"
)

// The headers of idempotency: the key of a whole request, and what says that all of
// it had been stored before.
const (
	idempotencyKey = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed"
)

// publish serves POST /v1/streams/{stream}/events.
func (h *handler) publish(w http.ResponseWriter, r *http.Request) error {
	stream, err := name(r, "stream")
	if err != nil {
		return err
	}
	p, err := hub.ParsePublication(r.URL.RawQuery, r.Header.Values(idempotencyKey))
	if err != nil {
		return err
	}
	body, err := h.readEvents(w, r, hub.ToStream)
	if err != nil {
		return err
	}
	p.Stream, p.Events = stream, body.events
	return h.store(w, r, p, body)
}

// publishRaw serves POST /v1/streams/{stream}/raw, whose body is the payload.
func (h *handler) publishRaw(w http.ResponseWriter, r *http.Request) error {
	stream, err := name(r, "stream")
	if err != nil {
		return err
	}
	p, err := hub.ParseRaw(r.URL.RawQuery, r.Header.Values(idempotencyKey))
	if err != nil {
		return err
	}
	payload, err := h.read(w, r, hub.TooLargePayload)
	if err != nil {
		return err
	}
	if err := hub.DecodeRaw(&p.Events[0], r.Header.Get("Content-Type"), payload, h.Limits); err != nil {
		return err
	}
	p.Stream = stream
	return h.store(w, r, p, eventsBody{events: p.Events})
}

// store publishes what was read from body, and answers in its form.
func (h *handler) store(w http.ResponseWriter, r *http.Request, p hub.Publication, body eventsBody) error {
	published, err := h.Broker.Publish(r.Context(), p)
	if err != nil {
		return body.placed(err)
	}
	answer := appendIDs(make([]byte, 0, 64+24*len(published.IDs)), texts(published.IDs), body.batch)
	answer = hub.AppendQuoted(append(answer, `,"stream":`...), p.Stream)
	status := http.StatusCreated
	switch {
	case published.Replay():
		status = http.StatusOK
		w.Header().Set(replayedHeader, "true")
	case len(published.Replayed) > 0:
		answer = appendIndexes(append(answer, `,"replayed":`...), published.Replayed)
	}
	writeBody(w, status, append(answer, '}'))
	return nil
}

// broadcast serves POST /v1/broadcast/{channel}.
func (h *handler) broadcast(w http.ResponseWriter, r *http.Request) error {
	channel, err := name(r, "channel")
	if err != nil {
		return err
	}
	if err := hub.ParseBroadcast(r.URL.RawQuery, r.Header.Values(idempotencyKey)); err != nil {
		return err
	}
	body, err := h.readEvents(w, r, hub.ToChannel)
	if err != nil {
		return err
	}
	for i := range body.events {
		body.events[i].IdempotencyKey = "" // a CloudEvent always has one
	}
	ids, err := h.Broker.Broadcast(r.Context(), channel, body.events)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusAccepted, append(appendIDs(nil, ids, body.batch), '}'))
	return nil
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

func appendIndexes(dst []byte, indexes []int) []byte {
	dst = append(dst, '[')
	for i, index := range indexes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(index), 10)
	}
	return append(dst, ']')
}
