// Package history records what the clients of hubs did and saw while something was
// broken, and says whether the hubs kept their promises.
//
// The clients live in a process that nobody kills, and share one monotonic clock, so what
// they write down is in order. Check goes through it once: like Jepsen's checkers it goes
// only by what is certain. A publish is confirmed, refused, or unknown; one that is unknown
// may be there or not. An ack counts once its answer is there. A delivery to a connection
// that was there before may have been under way.
//
// Invariants:
//   - A history without faults of the hub has no violation, whatever the timing.
//   - Each kind of violation is found by itself: a history in which one thing is wrong has
//     findings of that kind only. The tests of this package see to both.
//
// Nothing here starts a goroutine; Recorder is safe for concurrent use.
package history
