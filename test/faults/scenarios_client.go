package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"eventhub/internal/redistest"
	"eventhub/test/faults/history"
)

func clientScenarios() []*scenario {
	return []*scenario{
		{
			name: "clients-stalled", what: "consumers, readers and subscribers that never read, some over connections that are half-open", on: everywhere(), shortOn: []string{single},
			settings: []string{"HUB_WRITE_TIMEOUT=3s", "HUB_PING_INTERVAL=2s", "HUB_SEND_BUFFER_BYTES=4096"}, fault: stallClients,
		},
		{
			name: "drain-2000", what: "a rolling restart with 2,000 sockets: 400 consumers, 100 readers, 100 subscribers, and 1,400 that are quiet", on: []string{single, cluster}, alone: true,
			fault: drainCrowd, unmixed: true, load: loadOptions{ackWait: crowdAckWait, pace: 80 * time.Millisecond}, settings: []string{"HUB_HANDSHAKES_PER_SECOND=0"},
		},
	}
}

// stallClients connects clients that take what they are given and do nothing with it.
func stallClients(r *rig) {
	for i, n := range r.hubs {
		addr := n.addr
		var way *redistest.Proxy
		if i > 0 {
			way = redistest.NewProxy(r, n.addr)
			addr = way.Addr()
		}
		all := "?stream=" + strings.Join(streams(), "&stream=")
		for _, path := range []string{
			"/v1/sinks/" + work + "/ws" + all + "&prefetch=5&consumer=stalled&max_deliveries=0&ack_wait=" + ackWait.String(),
			"/v1/readers/ws" + all + "&from=oldest", "/v1/broadcast/ws?channel=" + channel, "/v1/broadcast/ws?slow=drop&channel=" + channel,
		} {
			ctx, cancel := context.WithTimeout(r.ctx, dialLimit)
			conn, _, err := websocket.Dial(ctx, "ws://"+addr+path, nil) //nolint:bodyclose // "You never need to close resp.Body yourself."
			cancel()
			if err != nil {
				r.Fatal(err)
			}
			r.Cleanup(func() { _ = conn.CloseNow() })
		}
		if way != nil {
			r.pass(300 * time.Millisecond)
			way.Freeze() // until the end: neither side hears of the other
		}
	}
	r.fault(history.Fault{Name: "clients that never read"}, func() string {
		most := 0
		for range 20 {
			most = max(most, stalledHold(r.ctx, r.hubs[0]))
			r.pass(300 * time.Millisecond)
		}
		if most == 0 {
			return ""
		}
		return fmt.Sprintf("such a consumer held %d events", most)
	})
	r.pass(ackWait)
}

// stalledHold is how many events consumers named so hold.
func stalledHold(ctx context.Context, n *node) (held int) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.addr+"/v1/sinks/"+work, nil)
	if err != nil {
		return 0
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	var said struct {
		Consumers []struct {
			Consumer string
			InFlight int `json:"in_flight"`
		}
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(answer.Body); err != nil || json.Unmarshal(body.Bytes(), &said) != nil {
		return 0
	}
	for _, c := range said.Consumers {
		if c.Consumer == "stalled" {
			held += c.InFlight
		}
	}
	return held
}
