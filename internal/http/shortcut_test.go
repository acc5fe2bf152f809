package http_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// A publish goes around the router; that must show nowhere.
func TestOnlyAPublishTakesTheShortcut(t *testing.T) {
	t.Parallel()
	const events, event, none = "/v1/streams/{stream}/events", "/v1/streams/{stream}/events/{id}", "none"
	for _, c := range []struct {
		method, path string
		status       int
		stream       string // that got the event
		route        string // that is counted
	}{
		{"POST", "/v1/streams/orders/events", 201, "orders", events},
		{"POST", "/v1/streams/orders/events?if_exists=true", 201, "orders", events},
		{"POST", "/v1/streams/orders/events?x=1", 400, "", events},
		{"POST", "/v1/streams/o%72ders/events", 201, "orders", events},
		{"POST", "/v1/streams/orders%2Fevents", 201, "orders", events},
		{"POST", "/v1/streams/events/events", 201, "events", events},
		{"POST", "/v1/streams/%20/events", 400, "", events},
		{"POST", "/v1/streams/" + strings.Repeat("x", 129) + "/events", 400, "", events},
		{"POST", "/v1/streams/a%2Fb/events", 404, "", none},
		{"POST", "/v1/streams/a/b/events", 404, "", none},
		{"POST", "/v1/streams/orders/events/", 404, "", none},
		{"POST", "//v1/streams/orders/events", 404, "", none},
		{"POST", "/v1/streams/events", 405, "", none},
		{"GET", "/v1/streams/orders/events/1-1", 200, "", event},
		{"OPTIONS", "/v1/streams/orders/events", 405, "", none},
		{"post", "/v1/streams/orders/events", 405, "", none},
	} {
		e := newEdge(t)
		var stream string
		e.broker.publish = func(_ context.Context, p hub.Publication) (hub.Published, error) {
			stream = p.Stream
			return hub.Published{IDs: make([]hub.ID, len(p.Events))}, nil
		}
		a := e.call(c.method, c.path, `{"data":1}`)
		if a.Code != c.status || stream != c.stream {
			t.Errorf("%s %s is answered %d %s and stored in %q, want %d and %q", c.method, c.path, a.Code, a.Body, stream, c.status, c.stream)
		}
		if !slices.ContainsFunc(e.series(), func(labels map[string]string) bool { return labels["route"] == c.route }) {
			t.Errorf("%s %s is counted as %v, want %s", c.method, c.path, e.series(), c.route)
		}
	}
}
