package http

import (
	"net/http"
	"time"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

const (
	// pageBytes is about how much a page has at most.
	pageBytes = 16 << 20
	// lookLimit is how long a page may take that does not wait for new events.
	lookLimit = 3 * time.Second
)

// page serves GET /v1/streams/{stream}/events. When the hub drains, what is there
// is answered.
func (h *handler) page(w http.ResponseWriter, r *http.Request) error {
	stream, err := permitted(w, r, auth.Read, auth.Stream)
	if err != nil {
		return err
	}
	spec, limit, wait, err := hub.ParsePageSpec(stream, r.URL.RawQuery)
	if err != nil {
		return err
	}
	spec.Scope = who(w).Scope(auth.Read, auth.Stream)
	// Its answer may be later than others'.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + answerLimit)) // fails without a connection only
	reader, err := h.Broker.Read(r.Context(), spec)
	if err != nil {
		return err
	}
	defer reader.Close()
	p := &eventPage{body: []byte(`{"events":[`), limit: limit, waits: wait > 0}
	ended := lasting(who(w))
	if err := h.look(r, reader, p, wait); err != nil {
		return err
	}
	if err := ended(); err != nil {
		return err
	}
	body, err := p.answer()
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, body)
	return nil
}

// look takes events until the page is full or there is nothing more, which is
// waited for.
func (h *handler) look(r *http.Request, reader hub.Reader, p *eventPage, wait time.Duration) error {
	began := time.Now()
	timer := time.NewTimer(max(wait, lookLimit))
	defer timer.Stop()
	for {
		reading, err := reader.Take(p.limit - p.events)
		if err != nil {
			return err
		}
		came := len(reading.Events)+len(reading.Gaps) > 0
		if p.add(&reading) {
			return nil
		}
		if came {
			continue
		}
		if p.caught {
			left := wait - time.Since(began)
			if left <= 0 {
				return nil
			}
			timer.Reset(left)
		}
		select {
		case <-reader.Ready():
		case <-timer.C:
			return nil
		case <-h.serving.Done():
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

// eventPage is a page while it is filled.
type eventPage struct {
	body   []byte // up to the last event so far
	events int    // in it
	limit  int
	waits  bool // for the first events only

	begin, next hub.Cursor // the places before and after what was looked at
	gap         *hub.Gap   // before the events
	caught      bool       // the end of the stream was reached
}

// add adds what was taken; full says that this is all to be answered. A gap behind
// events or behind another gap is left for the next page, which begins before it.
// The events behind a gap come with it, if there are any.
func (p *eventPage) add(reading *hub.Reading) (full bool) {
	if p.begin == nil {
		p.begin = reading.Before
	}
	if len(reading.Gaps) > 0 {
		if p.events > 0 || p.gap != nil {
			return true
		}
		p.gap = &reading.Gaps[0]
	}
	for i := range reading.Events {
		if p.events > 0 {
			p.body = append(p.body, ',')
		}
		p.body = append(p.body, reading.Events[i].JSON...)
		p.events++
	}
	p.next = reading.After
	p.caught = p.caught || reading.Caught
	switch {
	case p.events >= p.limit, len(p.body) >= pageBytes:
		return true
	case p.gap != nil:
		return p.events > 0 || p.caught
	}
	return p.events > 0 && p.waits
}

// answer is the page as JSON. It fails where nothing at all could be looked at.
func (p *eventPage) answer() ([]byte, error) {
	idle := p.events == 0 && p.gap == nil && !p.caught
	if len(p.next) == 0 || idle && p.next.String() == p.begin.String() {
		return nil, &hub.Error{Code: hub.CodeUnavailable, Detail: "the stream could not be read in time", RetryAfter: time.Second}
	}
	body := p.body
	body = append(body, `],"next":`...)
	body = hub.AppendQuoted(body, "after:"+p.next.String())
	if p.gap != nil {
		body = p.gap.AppendJSON(append(body, `,"gap":`...))
	}
	return append(body, '}'), nil
}
