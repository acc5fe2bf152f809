package http

import (
	"net/http"

	"eventhub/internal/hub"
)

// sink serves GET /v1/sinks/{sink}.
func (h *handler) sink(w http.ResponseWriter, r *http.Request) error {
	sink, err := name(r, "sink")
	if err != nil {
		return err
	}
	if err := hub.NoParams(r.URL.RawQuery); err != nil {
		return err
	}
	status, err := h.Broker.Status(r.Context(), sink)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, sinkStatus(status))
}

// sinkAnswer is a sink with its figures.
type sinkAnswer struct {
	Sink      string         `json:"sink"`
	Config    sinkConfig     `json:"config"`
	Streams   []sinkStream   `json:"streams"`
	Consumers []sinkConsumer `json:"consumers"`
}

type sinkConsumer struct {
	Consumer       string `json:"consumer"`
	Hub            string `json:"hub"`
	Transport      string `json:"transport"`
	InFlight       int    `json:"in_flight"`
	ConnectedSince string `json:"connected_since"`
}

type sinkConfig struct {
	Streams []string `json:"streams"`
	From    string   `json:"from"`
	AckWait string   `json:"ack_wait"`
}

type sinkStream struct {
	Stream        string  `json:"stream"`
	Lag           int64   `json:"lag"`
	Pending       int64   `json:"pending"`
	OldestPending float64 `json:"oldest_pending_seconds"`
	Redelivered   int64   `json:"redelivered"`
}

func sinkStatus(s hub.SinkStatus) sinkAnswer {
	answer := sinkAnswer{
		Sink:      s.Sink,
		Config:    sinkConfig{s.Config.Streams, s.Config.From, hub.FormatDuration(s.Config.AckWait)},
		Streams:   make([]sinkStream, len(s.Streams)),
		Consumers: make([]sinkConsumer, len(s.Consumers)),
	}
	for i, c := range s.Consumers {
		answer.Consumers[i] = sinkConsumer{c.Consumer, c.Hub, c.Transport, c.InFlight, hub.FormatTime(c.ConnectedSince)}
	}
	for i, st := range s.Streams {
		answer.Streams[i] = sinkStream{st.Stream, st.Lag, st.Pending, st.OldestPending.Seconds(), st.Redelivered}
	}
	return answer
}

// acks serves POST /v1/sinks/{sink}/acks.
func (h *handler) acks(w http.ResponseWriter, r *http.Request) error {
	sink, err := name(r, "sink")
	if err != nil {
		return err
	}
	body, err := h.readJSON(w, r)
	if err != nil {
		return err
	}
	stream, ids, err := hub.DecodeAck(body)
	if err != nil {
		return err
	}
	result, err := h.Broker.Ack(r.Context(), sink, stream, ids)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Acked      []string `json:"acked"`
		NotPending []string `json:"not_pending"`
	}{texts(result.Done), texts(result.NotPending)})
}

func texts(ids []hub.ID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return list
}
