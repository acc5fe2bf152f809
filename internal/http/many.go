package http

import (
	"log/slog"
	"net/http"

	"golang.org/x/sync/errgroup"

	"eventhub/internal/hub"
)

// publishMany serves POST /v1/events, whose events name their streams: all or
// nothing of each stream.
func (h *handler) publishMany(w http.ResponseWriter, r *http.Request) error {
	p, err := hub.ParsePublication(r.URL.RawQuery, r.Header.Values(idempotencyKey))
	if err != nil {
		return err
	}
	f, err := formOf(r)
	if err != nil {
		return err
	}
	if f != formJSON && f != formLines {
		return hub.Errorf(hub.CodeUnsupportedMedia, "CloudEvents name no stream: send them to /v1/streams/{stream}/events")
	}
	body, err := h.readEvents(w, r, hub.ToMany)
	if err != nil {
		return err
	}
	parts := split(body.events, p)
	if len(parts) > h.MaxStreams {
		return hub.Errorf(hub.CodeInvalidRequest, "the events are for %d streams, at most %d are allowed in a request; nothing was stored", len(parts), h.MaxStreams)
	}
	if err := mayPublishParts(who(w), parts, len(body.events)); err != nil {
		return err
	}
	if err := who(w).Account().Publish(len(body.events)); err != nil {
		return err
	}
	h.publishParts(r, parts)
	if err := outage(parts); err != nil {
		return err
	}
	h.answerParts(w, r, parts, len(body.events))
	return nil
}

// part is what a request publishes to one of its streams.
type part struct {
	hub.Publication
	indexes   []int // of the events in the request
	published hub.Published
	err       error
}

// split divides events by their streams, in order; all else is as in p.
func split(events []hub.Event, p hub.Publication) []*part {
	var parts []*part
	of := map[string]*part{}
	for i, e := range events {
		its := of[e.Stream]
		if its == nil {
			its = &part{Publication: p}
			its.Stream = e.Stream
			of[e.Stream] = its
			parts = append(parts, its)
		}
		its.Events = append(its.Events, e)
		its.indexes = append(its.indexes, i)
	}
	return parts
}

// partsAtOnce bounds the streams that one request publishes to at a time.
const partsAtOnce = 100

func (h *handler) publishParts(r *http.Request, parts []*part) {
	var group errgroup.Group
	group.SetLimit(partsAtOnce)
	for _, p := range parts {
		group.Go(func() error {
			p.published, p.err = h.Broker.Publish(r.Context(), p.Publication)
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in the parts
}

// outage is the answer where no stream could be published to and the hub or Redis
// is to blame for each, which no success may look like. It says that events may be
// stored if that may be so of any.
func outage(parts []*part) error {
	var worst error
	for _, p := range parts {
		if p.err == nil {
			return nil
		}
		switch hub.AsError(p.err).Code {
		case hub.CodeUnconfirmed:
			worst = p.err
		case hub.CodeUnavailable, hub.CodeStorageFull, hub.CodeInternal:
			if worst == nil {
				worst = p.err
			}
		default:
			return nil
		}
	}
	return worst
}

// result is what came of one event.
type result struct {
	Stream   string   `json:"stream"`
	ID       string   `json:"id,omitempty"`
	Replayed bool     `json:"replayed,omitempty"`
	Code     hub.Code `json:"code,omitempty"`
	Detail   string   `json:"detail,omitempty"`
}

func (h *handler) answerParts(w http.ResponseWriter, r *http.Request, parts []*part, events int) {
	results := make([]result, events)
	failed, replays, durability := false, 0, hub.Durability("")
	for _, p := range parts {
		if p.err != nil {
			failed = true
			h.refusePart(r, results, p)
			continue
		}
		replays += len(p.published.Replayed)
		durability = p.published.Durability
		for i, index := range p.indexes {
			results[index] = result{Stream: p.Stream, ID: p.published.IDs[i].String()}
		}
		for _, i := range p.published.Replayed {
			results[p.indexes[i]].Replayed = true
		}
	}
	status := http.StatusCreated
	switch {
	case failed:
		status = http.StatusMultiStatus
	case replays == events:
		status = http.StatusOK
		w.Header().Set(replayedHeader, "true")
	}
	_ = writeJSON(w, status, struct { // of strings: cannot fail
		Results    []result       `json:"results"`
		Durability hub.Durability `json:"durability,omitempty"` // of those that were stored
	}{results, durability})
}

// refusePart tells each event of a part why it was not stored.
func (h *handler) refusePart(r *http.Request, results []result, p *part) {
	e := hub.AsError(repoint(p.err, p.place))
	if unlogged, ok := h.due(r, e.Code); ok {
		h.Log.LogAttrs(r.Context(), severity(e.Code.Status()), "part of a request failed", slog.String("request_id", requestIDOf(r)), slog.String("stream", p.Stream),
			slog.String("code", string(e.Code)), slog.Any("error", p.err), slog.Int("unlogged", unlogged))
	}
	for _, index := range p.indexes {
		results[index] = result{Stream: p.Stream, Code: e.Code, Detail: e.Detail}
	}
}
