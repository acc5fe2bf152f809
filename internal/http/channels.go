package http

import (
	"net/http"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// channelAnswer is a channel with its subscribers on all hubs.
type channelAnswer struct {
	Channel     string `json:"channel"`
	Subscribers int64  `json:"subscribers"`
}

// listChannels serves GET /v1/channels. Its cursor is the last name of a page.
func (h *handler) listChannels(w http.ResponseWriter, r *http.Request) error {
	prefix, limit, after, err := hub.ParseNamePage(r.URL.RawQuery, maxPage)
	if err != nil {
		return err
	}
	page, err := h.Broker.Channels(r.Context(), prefix, limit, after, may(who(w), seesChannel, auth.Channel))
	if err != nil {
		return err
	}
	channels := make([]channelAnswer, len(page.Channels))
	for i, c := range page.Channels {
		channels[i] = channelAnswer(c)
	}
	return writeJSON(w, http.StatusOK, struct {
		Channels []channelAnswer `json:"channels"`
		Next     string          `json:"next,omitempty"`
	}{channels, page.Next})
}

// getChannel serves GET /v1/channels/{channel}.
func (h *handler) getChannel(w http.ResponseWriter, r *http.Request) error {
	channel, err := plain(w, r, seesChannel, auth.Channel)
	if err != nil {
		return err
	}
	status, err := h.Broker.Channel(r.Context(), channel)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, channelAnswer(status))
}
