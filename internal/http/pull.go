package http

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// pull serves POST /v1/sinks/{sink}/pull. When the hub drains, or the client
// goes, there are no events for it.
func (h *handler) pull(w http.ResponseWriter, r *http.Request) error {
	sink, err := permitted(w, r, auth.Consume, auth.Sink)
	if err != nil {
		return err
	}
	spec, err := hub.ParsePullSpec(sink, r.URL.RawQuery, hub.SpecDefaults{MaxStreams: h.MaxStreams})
	if err != nil {
		return err
	}
	spec.Scope = who(w).SinkScope(sink)
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	most, wait, err := hub.DecodePull(body)
	if err != nil {
		return err
	}
	// Its answer may be later than others'.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + answerLimit)) // fails without a connection only
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.serving, cancel)()
	ended := lasting(who(w))
	events, giveBack, err := h.Broker.Pull(ctx, spec, most, wait)
	if cut := ctx.Err() != nil && errors.Is(err, context.Canceled); err != nil && !cut {
		return err
	}
	if err := ended(); err != nil {
		if len(events) > 0 {
			giveBack()
		}
		return err
	}
	handOver(w, r, events, giveBack)
	return nil
}

// handOver answers a pull. Events that the client certainly has not got are given
// back.
func handOver(w http.ResponseWriter, r *http.Request, events []hub.Event, giveBack func()) {
	if len(events) > 0 && r.Context().Err() != nil {
		giveBack()
		events = nil
	}
	if err := writeEvents(w, events); err != nil && len(events) > 0 {
		giveBack()
	}
}

// writeEvents fails when not all of the answer could be sent.
func writeEvents(w http.ResponseWriter, events []hub.Event) error {
	body := []byte(`{"events":[`)
	for i := range events {
		if i > 0 {
			body = append(body, ',')
		}
		body = events[i].AppendJSON(body)
	}
	body = append(body, ']', '}')
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	writeBody(w, http.StatusOK, body)
	return http.NewResponseController(w).Flush() // tells of what went wrong before, too
}
