package http

import (
	"net/http"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// sinkAnswer is a sink with its figures.
type sinkAnswer struct {
	Sink      string         `json:"sink"`
	Config    sinkConfig     `json:"config"`
	Streams   []sinkStream   `json:"streams"`
	Consumers []sinkConsumer `json:"consumers"`
	Ignored   []string       `json:"ignored,omitempty"` // of a PUT
}

type sinkConfig struct {
	Streams       []string `json:"streams"`
	From          string   `json:"from"`
	Topics        []string `json:"topics"`
	Types         []string `json:"types"`
	Ack           string   `json:"ack"`
	AckWait       string   `json:"ack_wait"`
	MaxDeliveries int      `json:"max_deliveries"`
	Backoff       []string `json:"backoff"`
	Order         string   `json:"order"`
	ExpiresAfter  string   `json:"expires_after"`
}

type sinkStream struct {
	Stream        string  `json:"stream"`
	Lag           int64   `json:"lag"`
	Pending       int64   `json:"pending"`
	OldestPending float64 `json:"oldest_pending_seconds"`
	Redelivered   int64   `json:"redelivered"`
	DeadLetters   int64   `json:"dead_letters"`
}

type sinkConsumer struct {
	Consumer       string `json:"consumer"`
	Hub            string `json:"hub"`
	Transport      string `json:"transport"`
	InFlight       int    `json:"in_flight"`
	ConnectedSince string `json:"connected_since"`
}

// putSink serves PUT /v1/sinks/{sink}.
func (h *handler) putSink(w http.ResponseWriter, r *http.Request) error {
	sink, body, err := h.readSink(w, r, auth.Manage)
	if err != nil {
		return err
	}
	put, err := hub.DecodeSinkPut(body)
	if err != nil {
		return err
	}
	if err := mayManage(who(w), sink, put.Streams...); err != nil {
		return err
	}
	status, created, ignored, err := h.Broker.PutSink(r.Context(), sink, put)
	if err != nil {
		return err
	}
	answer := newSinkAnswer(seenSink(who(w), status))
	answer.Ignored = ignored
	if created {
		return writeJSON(w, http.StatusCreated, answer)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// getSink serves GET /v1/sinks/{sink}.
func (h *handler) getSink(w http.ResponseWriter, r *http.Request) error {
	sink, err := plain(w, r, seesSink, auth.Sink)
	if err != nil {
		return err
	}
	status, err := h.Broker.Status(r.Context(), sink)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, newSinkAnswer(seenSink(who(w), status)))
}

// deleteSink serves DELETE /v1/sinks/{sink}.
func (h *handler) deleteSink(w http.ResponseWriter, r *http.Request) error {
	sink, err := plain(w, r, auth.Manage, auth.Sink)
	if err != nil {
		return err
	}
	if err := h.Broker.DeleteSink(r.Context(), sink); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listSinks serves GET /v1/sinks. Its cursor is the last name of a page.
func (h *handler) listSinks(w http.ResponseWriter, r *http.Request) error {
	limit, after, err := hub.ParsePage(r.URL.RawQuery, maxPage, "limit", "cursor")
	if err != nil {
		return err
	}
	page, err := h.Broker.Sinks(r.Context(), limit, after, may(who(w), seesSink, auth.Sink))
	if err != nil {
		return err
	}
	type listed struct {
		Sink   string     `json:"sink"`
		Config sinkConfig `json:"config"`
	}
	sinks := make([]listed, len(page.Sinks))
	for i, s := range page.Sinks {
		sinks[i] = listed{s.Sink, newSinkConfig(seenSink(who(w), s).Config)}
	}
	return writeJSON(w, http.StatusOK, struct {
		Sinks []listed `json:"sinks"`
		Next  string   `json:"next,omitempty"`
	}{sinks, page.Next})
}

// readSink reads the sink and the body of a request that has no parameters.
func (h *handler) readSink(w http.ResponseWriter, r *http.Request, verbs auth.Verb) (sink string, body []byte, err error) {
	if sink, err = permitted(w, r, verbs, auth.Sink); err != nil {
		return "", nil, err
	}
	body, err = h.readJSON(w, r)
	return sink, body, err
}

func newSinkAnswer(s hub.SinkStatus) sinkAnswer {
	answer := sinkAnswer{
		Sink:      s.Sink,
		Config:    newSinkConfig(s.Config),
		Streams:   make([]sinkStream, len(s.Streams)),
		Consumers: make([]sinkConsumer, len(s.Consumers)),
	}
	for i, c := range s.Consumers {
		answer.Consumers[i] = sinkConsumer{c.Consumer, c.Hub, c.Transport, c.InFlight, hub.FormatTime(c.ConnectedSince)}
	}
	for i, st := range s.Streams {
		answer.Streams[i] = sinkStream{st.Stream, st.Lag, st.Pending, st.OldestPending.Seconds(), st.Redelivered, st.DeadLetters}
	}
	return answer
}

func newSinkConfig(c hub.SinkConfig) sinkConfig {
	config := sinkConfig{
		Streams: append([]string{}, c.Streams...), From: c.From, Topics: append([]string{}, c.Topics...), Types: append([]string{}, c.Types...),
		Ack: c.Ack, AckWait: hub.FormatDuration(c.AckWait), MaxDeliveries: c.MaxDeliveries,
		Backoff: make([]string, len(c.Backoff)), Order: c.Order, ExpiresAfter: hub.FormatDuration(c.ExpiresAfter),
	}
	for i, delay := range c.Backoff {
		config.Backoff[i] = hub.FormatDuration(delay)
	}
	return config
}
