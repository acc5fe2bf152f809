package http

import (
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

const eventsRoute = "/v1/streams/{stream}/events"

// shortcut takes a POST of eventsRoute, of which there are more than of all others, to
// its handler around the router: for each request that makes a context, a copy of the
// request, and a map of the names in its path. What is not just that goes to the router,
// which has the route, too.
func (h *handler) shortcut(router http.Handler) http.Handler {
	publish := h.rescue(h.handle(watchless(func(w http.ResponseWriter, r *http.Request) error {
		return h.publishTo(w, r, eventsStream(r.URL.Path))
	})))
	usual := newSeries(h.metrics, eventsRoute, http.MethodPost, "201")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, ok := w.(*recorder)
		if !ok || r.Method != http.MethodPost || eventsStream(r.URL.Path) == "" {
			router.ServeHTTP(w, r)
			return
		}
		rec.route, rec.series = eventsRoute, usual
		publish.ServeHTTP(w, r)
	})
}

// eventsStream is what stands for {stream} in a path of eventsRoute; "" for others.
func eventsStream(path string) string {
	rest, ok := strings.CutPrefix(path, "/v1/streams/")
	stream, last := strings.CutSuffix(rest, "/events")
	if !ok || !last || strings.IndexByte(stream, '/') >= 0 {
		return ""
	}
	return stream
}

// series is the metrics of one route, method and status, which to look up costs more
// than to count. They are made when they are first counted.
type series struct {
	count   func() prometheus.Counter
	seconds func() prometheus.Observer
}

func newSeries(m *metrics, route, method, status string) *series {
	return &series{
		count:   sync.OnceValue(func() prometheus.Counter { return m.requests.WithLabelValues(route, method, status) }),
		seconds: sync.OnceValue(func() prometheus.Observer { return m.seconds.WithLabelValues(route) }),
	}
}
