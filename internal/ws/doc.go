// Package ws serves WebSockets: consumers of sinks, readers of streams and
// subscribers to broadcast channels. It upgrades requests, reads commands and
// writes frames; everything else is the engine's.
//
// Invariants:
//   - A request that is wrong is answered before the upgrade, by the error that
//     ServeSink, ServeReader and ServeBroadcast return: nothing has been written then.
//   - Two goroutines a socket: one reads commands, another writes frames; the
//     handler has returned by then. Nobody else writes, save for pings, pongs and
//     the close handshake (wire.go). A third lives while commands that publish are
//     under way (publisher.go).
//   - What waits for one socket is bounded; a socket that takes nothing is ended
//     after the write timeout and costs nobody else anything.
//
// Besides, one goroutine per Server looks after all sockets (keeper.go). All are
// waited for by Server.Close.
package ws
