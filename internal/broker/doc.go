// Package broker is the engine on Redis: it publishes events into streams,
// dispatches them to the consumers of sinks with leases, acks and redelivery,
// and broadcasts messages to live subscribers. It knows no HTTP.
//
// Invariants:
//   - Redis is the only truth about what is pending; what is in memory is an
//     index of it that may be lost at any time.
//   - A hub holds a fixed, small number of Redis connections, whatever it serves:
//     no client has a blocking read of its own.
//   - A write is sent once. A lost answer is CodeUnconfirmed, never a retry.
//   - Nothing here waits for a socket: consumers and subscribers take what is
//     theirs, and who doesn't take is not read for. That there is something they hear
//     from a channel, or by a call (Wake), which is made under locks and must not block.
//   - A gap is told where messages may be missing, in its place, and ends nobody. What
//     was told as lost is not delivered afterwards.
//
// Goroutines, all waited for by Broker.Close: one per lane (lane.go), which
// commits what many callers want in one pipeline; one per sink in use (sink.go),
// which owns all of that sink's state; one per stream that readers follow
// (tail.go), and while a stream is looked at for new readers (looks.go); the pub/sub
// receiver and the writer beside it, which pings, too (live.go); its probe (probe.go);
// the marks behind broadcast messages (marks.go); the telling of who listens
// (occupancy.go); the bell ringer (bell.go); the heartbeat (hubs.go); the poll
// (poll.go), and on Cluster one for each stream that it waits to hear of; what asks
// masters that are silent (knock.go); the watch on the primaries' replicas
// (primaries.go), and for a moment one for each replica that is looked at (replicas.go);
// the housekeeping of sinks (keep.go) and of streams (retention.go); and, until that is
// done, the making of declared streams (declare.go).
package broker
