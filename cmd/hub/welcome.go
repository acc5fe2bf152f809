package main

import (
	"fmt"
	"io"
)

// welcome tells who tries the hub out what to type.
func welcome(w io.Writer, addr string, secure, authenticates bool) {
	s := ""
	if secure {
		s = "s"
	}
	_, _ = fmt.Fprintf(w, `
Event Hub listens on http%[2]s://%[1]s

  NOTHING SURVIVES A RESTART: this hub keeps its events in an embedded Redis.
  Set HUB_REDIS_URL=redis://host:6379 to keep them, and to run several hubs.

Publish an event, and pass a message on to whoever listens:

  curl -d '{"type":"order.created","data":{"id":1}}' http%[2]s://%[1]s/v1/streams/orders/events
  curl -d '{"data":"hi"}' http%[2]s://%[1]s/v1/broadcast/room-1

Read along, from the first event on:

  curl -N 'http%[2]s://%[1]s/v1/readers/sse?stream=orders&from=oldest'

Consume, and listen (wscat: npm install -g wscat):

  wscat -c 'ws%[2]s://%[1]s/v1/sinks/billing/ws?stream=orders&from=oldest'
  wscat -c 'ws%[2]s://%[1]s/v1/broadcast/ws?channel=room-1'

The API: http%[2]s://%[1]s/openapi.yaml   metrics: http%[2]s://%[1]s/metrics   settings: hub --help

`, addr, s)
	if authenticates {
		_, _ = fmt.Fprint(w, "Each of these wants a token, too: curl -H 'Authorization: Bearer <key or token>' …, wscat -H 'Authorization: Bearer <key or token>' …\n\n")
	}
}
