package http

import (
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"eventhub/internal/auth"
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
	return h.publishTo(w, r, chi.URLParam(r, "stream"))
}

func (h *handler) publishTo(w http.ResponseWriter, r *http.Request, stream string) error {
	if err := hub.CheckName("stream", stream); err != nil {
		return err
	}
	limits, err := imposedOn(who(w), auth.Stream, stream)
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
	return h.store(w, r, p, body, limits)
}

// publishRaw serves POST /v1/streams/{stream}/raw, whose body is the payload.
func (h *handler) publishRaw(w http.ResponseWriter, r *http.Request) error {
	stream, err := name(r, "stream")
	if err != nil {
		return err
	}
	limits, err := imposedOn(who(w), auth.Stream, stream)
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
	return h.store(w, r, p, eventsBody{events: p.Events, form: formRaw}, limits)
}

// store publishes what was read from body, and answers in its form.
func (h *handler) store(w http.ResponseWriter, r *http.Request, p hub.Publication, body eventsBody, limits imposed) error {
	if err := limits.check(body); err != nil {
		return err
	}
	if err := who(w).Account().Publish(len(p.Events)); err != nil {
		return err
	}
	published, err := h.Broker.Publish(r.Context(), p)
	if err != nil {
		return body.placed(err)
	}
	answer := appendIDs(make([]byte, 0, 192+24*len(published.IDs)), len(published.IDs), body.batch, func(dst []byte, i int) []byte {
		return append(published.IDs[i].Append(append(dst, '"')), '"')
	})
	answer = hub.AppendQuoted(append(answer, `,"stream":`...), p.Stream)
	if published.Durability != "" {
		answer = append(append(append(answer, `,"durability":"`...), published.Durability...), '"')
	}
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
	limits, err := imposedOn(who(w), auth.Channel, channel)
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
	if err := limits.check(body); err != nil {
		return err
	}
	if err := who(w).Account().Publish(len(body.events)); err != nil {
		return err
	}
	for i := range body.events {
		body.events[i].IdempotencyKey = "" // a CloudEvent always has one
	}
	ids, err := h.Broker.Broadcast(r.Context(), channel, body.events)
	if err != nil {
		return err
	}
	answer := appendIDs(nil, len(ids), body.batch, func(dst []byte, i int) []byte { return hub.AppendQuoted(dst, ids[i]) })
	writeBody(w, http.StatusAccepted, append(answer, '}'))
	return nil
}

// appendIDs opens the answer to a publish: one id, or a list for a batch. add appends
// the i-th as JSON.
func appendIDs(dst []byte, n int, batch bool, add func(dst []byte, i int) []byte) []byte {
	if !batch {
		return add(append(dst, `{"id":`...), 0)
	}
	dst = append(dst, `{"ids":[`...)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = add(dst, i)
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
