package main

import (
	"fmt"
	"net/http"
	"testing"
)

// TestStalledClientsOverTLSCostOnlyThemselves has one of each kind that never reads:
// a WebSocket, and event streams over HTTP/1.1 and over HTTP/2, where the others'
// requests would go over the same connection.
func TestStalledClientsOverTLSCostOnlyThemselves(t *testing.T) {
	t.Parallel()
	h := startTLSHub(t, "HUB_REDIS_URL="+startRedis(t).URL(), "HUB_SEND_BUFFER_BYTES=4096", "HUB_WRITE_TIMEOUT=1s", "HUB_BROADCAST_QUEUE_EVENTS=100000")
	good := []*listener{h.stall(overSocket, "channel=room", h.via), h.stall(overSSE, "channel=room", h.via)}
	for _, l := range good {
		l.wake()
	}
	for kind, http2 := range map[string][]bool{overSocket: {false}, overSSE: {false, true}} {
		for _, http2 := range http2 {
			transport := h.transport(http2)
			transport.DialContext = narrow(4096).(*http.Transport).DialContext
			transport.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}
			h.stall(kind, "channel=room&slow=drop", transport)
		}
	}
	if n := measured(t, h.testHub, `hub_sse_connections{feed="broadcast"}`); n != 3 {
		t.Fatalf("there are %v event streams, want 3", n)
	}
	for i := range 60 {
		id := h.broadcast("room", large(i, 30_000))
		for _, l := range good {
			l.hears(id...)
		}
	}
	within(t, patience/2, func() string {
		streams, sockets := measured(t, h.testHub, `hub_sse_connections{feed="broadcast"}`), measured(t, h.testHub, `hub_connections{role="broadcast"}`)
		if streams != 1 || sockets != 1 {
			return fmt.Sprintf("there are %v event streams and %v sockets, want those that read", streams, sockets)
		}
		return ""
	})
	id := h.broadcast("room", `{"data":1}`)
	for _, l := range good {
		l.hears(id...)
	}
}
