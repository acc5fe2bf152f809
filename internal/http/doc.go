// Package http is the REST edge: the router and its handlers, RFC 9457 problems,
// request ids, metrics of requests, and the net/http server with its shutdown.
// A handler decodes, makes one call of the engine, and encodes.
//
// Invariants:
//   - Every answer that is no success is a problem (problem.go), whoever found
//     the fault: a handler, the router, or a WebSocket before its upgrade.
//   - Nothing is done for a page of another origin that is not listed, whatever it asks
//     (guard.go).
//   - Nobody is served who is not known: what is not public needs a principal (door.go),
//     and what is named, a permission (permit.go). What is read is bounded by the scope
//     that the engine is given.
//   - Tokens and tickets are taken off a request before anything else sees it
//     (credential.go).
//   - Metric labels are route patterns, methods and statuses, never a client's
//     text.
//
// Goroutines: net/http's own, those of Server.Run, and those of the gate that tell why a
// connection is refused; Run waits for them.
package http
