package http

import (
	"net/http"

	"eventhub/internal/auth"
	"eventhub/internal/hub"
)

// settle serves POST /v1/sinks/{sink}/acks, nacks and extend; done is what the
// answer calls the events it worked for.
func (h *handler) settle(verb hub.Verb, done string) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		sink, body, err := h.readSink(w, r, auth.Consume)
		if err != nil {
			return err
		}
		settlement, err := hub.DecodeSettlement(verb, body)
		if err != nil {
			return err
		}
		if err := who(w).MaySink(auth.Consume, sink, settlement.Stream); err != nil {
			return err
		}
		settlement.Scope = who(w).SinkScope(sink)
		settled, err := h.Broker.Settle(r.Context(), sink, settlement)
		if err != nil {
			return err
		}
		answer := map[string][]string{done: texts(settled.Done), "not_pending": texts(settled.NotPending)}
		if verb != hub.VerbAck {
			answer["stale"] = texts(settled.Stale)
		}
		return writeJSON(w, http.StatusOK, answer)
	}
}

func texts(ids []hub.ID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return list
}
