// Package hub is the vocabulary of Event Hub: events and their ids, names,
// start positions, sinks, errors, and the JSON in which they travel. It does no
// I/O and imports only the standard library, so that the engine
// (internal/broker) and the edges (internal/http, internal/ws) can share it
// without knowing one another.
//
// Invariants:
//   - Data of an event is either one valid JSON value in valid UTF-8 or, when
//     Binary, any bytes. It is checked where it enters and never decoded again.
//   - An Error is the only error whose text may be shown to a client.
package hub
