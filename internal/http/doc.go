// Package http is the REST edge: the router and its handlers, RFC 9457 problems,
// request ids, metrics of requests, and the net/http server with its shutdown.
// A handler decodes, makes one call of the engine, and encodes.
//
// Invariants:
//   - Every answer that is no success is a problem (problem.go), whoever found
//     the fault: a handler, the router, or a WebSocket before its upgrade.
//   - Nothing is done for a page of another origin that is not listed, whatever it asks
//     (guard.go).
//   - Metric labels are route patterns, methods and statuses, never a client's
//     text.
//
// Goroutines: net/http's own, and those of Server.Run, which waits for them.
package http
