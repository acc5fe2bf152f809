package broker

import (
	"strconv"
	"strings"

	"eventhub/internal/hub"
)

// discharge ends the leases of events that are not this hub's any more; what has
// not been handed over of them never is. A text is an id, or an id and the attempt
// that is over: "1763650000000-0/2".
func (s *sink) discharge(st *sinkStream, texts []string) {
	if len(texts) == 0 {
		return
	}
	ids := make([]hub.ID, 0, len(texts))
	for _, text := range texts {
		text, attempt, _ := strings.Cut(text, "/")
		n, _ := strconv.Atoi(attempt)
		id, err := hub.ParseID(text)
		if err != nil {
			continue
		}
		newer := false
		for _, a := range st.attachments {
			if newer = n > 0 && a.leases[id].attempt > n; newer {
				break
			}
			a.end(id)
		}
		if !newer {
			ids = append(ids, id)
		}
	}
	st.undeliver(ids)
}

// undeliver takes events out of the queues where they wait to be handed over.
func (st *sinkStream) undeliver(ids []hub.ID) {
	var gone map[eventName]struct{}
	for c := range st.attachments {
		if !c.mayQueue(ids) {
			continue
		}
		if gone == nil {
			gone = make(map[eventName]struct{}, len(ids))
			for _, id := range ids {
				gone[eventName{st.name, id.String()}] = struct{}{}
			}
		}
		c.sink.unqueue(c, func(e eventName) bool {
			_, is := gone[e]
			return is
		})
	}
}
