package main

import (
	"net/http"
	"slices"
	"testing"
)

// What streams and readers can do, in short, on the embedded Redis.
func TestStreamsAndReadersOnEmbeddedRedis(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	h.putStream("orders", `{"max_events":100}`)
	readers := h.readings("stream=orders&stream=payments")
	body := `{"type":"n","idempotency_key":"a","data":1.10}`
	id := []string{h.publish("orders", body)}
	if answer := h.call("POST", "/v1/streams/orders/events", body); !replayed(answer) {
		t.Errorf("the same key: %d %s", answer.StatusCode, answer.body)
	}
	id = append(id, h.publishMany("orders", 20)...)
	for _, r := range readers {
		assertRead(t, r.events(21), id)
	}
	assertRead(t, h.everything("orders"), id)
	s := h.dial("/v1/readers/ws?stream=orders&from=oldest")
	f := s.only("events")
	got := ids(f.Events)
	s.drop()
	if len(got) < len(id) {
		got = append(got, ids(h.dial("/v1/readers/ws?stream=orders&from=after:"+f.Cursor).events(len(id)-len(got)))...)
	}
	if !slices.Equal(got, id) {
		t.Errorf("from the oldest came %v, want %v", got, id)
	}
	h.publishMany("orders", 300)
	h.want(http.StatusOK, "POST", "/v1/streams/orders/prune", "")
	if n := h.stream("orders").Events; n != 100 {
		t.Errorf("%d events are kept, want 100", n)
	}
	h.putStream("aged", `{"max_events":100}`)
	aged := h.publishMany("aged", 300)
	if gap := gapOf(h.sse("/v1/readers/sse?stream=aged", "Last-Event-ID: "+aged[0])); gap.Reason != "trimmed" {
		t.Errorf("a trimmed place: %+v", gap)
	}
	waiting := h.pageIn("refunds", "?wait=30s")
	later := h.publish("refunds", `{"data":1}`)
	if p := <-waiting; !slices.Equal(ids(p.Events), []string{later}) {
		t.Errorf("the page that waited is %+v", p)
	}
	h.want(http.StatusNoContent, "DELETE", "/v1/streams/orders", "")
	h.gone("orders")
	next := h.publish("orders", `{"data":2}`)
	assertRead(t, h.page("orders", "").Events, []string{next})
	h.putStream("full", `{"max_events":2,"on_full":"reject"}`)
	h.publishMany("full", 2)
	h.want(http.StatusInsufficientStorage, "POST", "/v1/streams/full/events", `{"data":1}`)
}
