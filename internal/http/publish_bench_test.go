package http_test

import (
	"context"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"eventhub/internal/http"
	"eventhub/internal/hub"
)

// BenchmarkPublish is what a POST costs the edge by itself: no network, and an engine
// that has stored all at once.
func BenchmarkPublish(b *testing.B) {
	event := `{"type":"order.created","data":{"n":1,"text":"` + strings.Repeat("x", 240) + `"}}`
	for events, body := range map[int]string{1: event, 100: "[" + event + strings.Repeat(","+event, 99) + "]"} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			broker := &fakeBroker{}
			ids := make([]hub.ID, events)
			for i := range ids {
				ids[i] = hub.ID{MS: 1763650000000, Seq: uint64(i)}
			}
			broker.publish = func(context.Context, hub.Publication) (hub.Published, error) { return hub.Published{IDs: ids}, nil }
			server := http.NewServer(http.Options{Broker: broker})
			request := httptest.NewRequestWithContext(b.Context(), "POST", "/v1/streams/orders/events", nil)
			request.ContentLength = int64(len(body))
			text := strings.NewReader(body)
			b.ReportAllocs()
			for b.Loop() {
				text.Reset(body)
				request.Body = readCloser{text}
				request.Header = nethttp.Header{"Content-Type": {"application/json"}}
				w := discard{header: nethttp.Header{}}
				server.Handler().ServeHTTP(&w, request)
				if w.status != nethttp.StatusCreated {
					b.Fatalf("status %d", w.status)
				}
			}
		})
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// discard keeps the status of an answer.
type discard struct {
	header nethttp.Header
	status int
}

func (d *discard) Header() nethttp.Header         { return d.header }
func (d *discard) WriteHeader(status int)         { d.status = status }
func (d *discard) Write(body []byte) (int, error) { return len(body), nil }
