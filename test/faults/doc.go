// Command faults breaks hubs and what they stand on, under load, and says whether they
// kept their promises. docs/faults.md tells what is broken and what came of it.
//
// A scenario starts a Redis, three hubs and their clients, breaks something, mends it, and
// waits until all has calmed down. What the clients did and saw is judged by package
// history, together with what Redis holds at the end. A fault that cannot be shown to have
// happened is no success: it has its own exit code.
//
// Invariants:
//   - The clients live in this process, which breaks nothing of itself.
//   - A scenario ends all that it started, however it ends, within scenarioLimit.
//   - Times are measured on a machine that does all else as well: only what is far beyond a
//     promise is held against the hub.
//
// Goroutines: one per scenario; one per client, and one more for each that pings; one per
// child process. Each has a parent that waits for it: load.stop, node.kill, performAll.
package main
