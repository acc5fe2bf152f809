// Package ws serves WebSockets: consumers of sinks, readers of streams and
// subscribers to broadcast channels. It upgrades requests, reads commands and
// writes frames; everything else is the engine's.
//
// Invariants:
//   - A request that is wrong is answered before the upgrade, by the error that
//     ServeSink, ServeReader and ServeBroadcast return: nothing has been written then.
//   - Who has a session's pen writes its frames, pings and pongs among them: its pump,
//     for a turn, which never waits for a connection (turn.go); or a goroutine that
//     waits for what the connection did not take at once, and for the parting. Until
//     that is done nothing else is taken from the source. Only the close handshake is
//     written by coder/websocket (wire.go).
//   - A source never blocks, and stirs its session when there is something to tell.
//     Whoever changes what there is to write stirs, too, so that no turn is missed.
//   - What waits for one socket is bounded; a socket that takes nothing is ended
//     after the write timeout and costs nobody else anything.
//   - A session is served for a principal, which is replaced by one of the same id only
//     that sees what the socket reads alike. The engine asks the principal of the moment;
//     what is published is asked for here. A command that is forbidden or comes too fast
//     is an error and closes nothing; what settles events waits instead.
//   - A socket ends with its principal: at most a second late, and a write timeout later
//     if the peer takes what came before that slowly.
//   - What a peer may send that is no command is bounded (watch.go). Time in which the
//     hub does not read never counts against the peer.
//   - A panic in a turn, while commands are read or over a token ends that socket and
//     nothing else.
//
// Goroutines, all waited for by Server.Close: the pumps, on half of the cores, each of
// which writes the frames of its share of the sockets (pump.go); one that looks after
// all sockets (keeper.go); one per socket, which reads commands, as the handler returns
// after the upgrade; another of a socket while its frames wait to be taken, one while
// commands that publish are under way (publisher.go), and one while a token is checked
// (authenticate.go).
package ws
