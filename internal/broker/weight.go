package broker

// weight keeps the answers of reads small enough to come within callTimeout, and
// to lie in memory: a read asks for so many events that they are about
// readBytes, going by those that came before.
type weight struct {
	average int // bytes of an event; 0: none has come yet
	halved  int // how often the limit is halved, after failures
}

const (
	readBytes   = 8 << 20
	shareBytes  = 1 << 20
	firstEvents = 64 // of the first read, which may meet the largest
	mostHalved  = 16 // so that a read soon asks for more again after a long failure
)

// limit is how many events to read, at most most.
func (w *weight) limit(most int) int {
	n := min(most, firstEvents)
	if w.average > 0 {
		n = min(most, readBytes/w.average)
	}
	return max(n>>w.halved, 1)
}

// within is how many bytes a stretch of a log may ask for, at most so many, and
// about what its answer takes: that has one event at least.
func (w *weight) within(most int) (room, reply int) {
	room = max(most>>w.halved, 1)
	if w.average == 0 {
		return room, max(room, shareBytes) // nobody knows how large its events are
	}
	return room, max(room, w.average)
}

// share is how many events one consumer is given at once: about a frame. What it
// is given beyond would lie in the hub while its lease runs.
func (w *weight) share(most int) int {
	return min(most, max(1, shareBytes/max(w.average, 1)))
}

// read notes what has come.
func (w *weight) read(deliveries []delivery) {
	sum := 0
	for i := range deliveries {
		sum += entrySize(&deliveries[i].event)
	}
	w.came(len(deliveries), sum)
}

// came notes that so many events have come, with so many bytes. The average goes up
// at once and down slowly.
func (w *weight) came(events, bytes int) {
	w.halved = max(w.halved-1, 0)
	if events > 0 {
		w.average = max(bytes/events, w.average-w.average/8)
	}
}

// failed notes that a read did not come back, perhaps because it was too much.
func (w *weight) failed() { w.halved = min(w.halved+1, mostHalved) }
