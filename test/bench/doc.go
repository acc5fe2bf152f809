// Command bench measures how fast a hub is, and how close that is to what Redis
// and net/http can do at all: every row has a yardstick that is measured in the
// same run, and the result is their ratio, held against a goal. Instead of the rows,
// -growth measures what an event costs as one thing after another grows, and -soak
// whether a hub that works for long keeps its memory; -attack has slow clients attack one. BENCH.md explains all of it.
//
// It starts what it measures: for each row a redis-server that keeps nothing,
// and one hub, or two; a yardstick that is a server is this program once more. All
// traffic stays on the loopback interface.
//
// Invariants:
//   - A figure counts only when the work was right: what was acknowledged is
//     stored, every event came exactly once, nothing is pending, nobody was
//     closed. A row that was not says why, and the exit status is 1. A goal that is
//     missed is shown, and no failure; the bounds of -growth, -soak and -attack are.
//   - Everything ends: loads by time or count, each run by runLimit, and the
//     processes with the bench, however it ends.
//
// Goroutines: each load waits for those it has started; each child process has
// one that waits for its end.
package main
