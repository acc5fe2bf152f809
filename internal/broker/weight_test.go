package broker

import (
	"testing"

	"eventhub/internal/hub"
)

// weighing is what was read: n events of this many bytes.
func weighing(n, bytes int) []delivery {
	list := make([]delivery, n)
	for i := range list {
		list[i].event = hub.Event{Data: make([]byte, bytes)}
	}
	return list
}

func TestReadsAskForWhatAnAnswerCanCarry(t *testing.T) {
	t.Parallel()
	var w weight
	if got := w.limit(1000); got != firstEvents {
		t.Errorf("the first read asks for %d events, want %d", got, firstEvents)
	}
	if got := w.limit(10); got != 10 {
		t.Errorf("it asks for %d events where 10 are wanted", got)
	}
	w.read(weighing(10, 100))
	if got := w.limit(1000); got != 1000 {
		t.Errorf("of small events it asks for %d, want all", got)
	}
	w.read(weighing(10, 1<<20)) // goes up at once
	if got := w.limit(1000); got < 1 || got*(1<<20) > readBytes {
		t.Errorf("of large events it asks for %d", got)
	}
	w.read(weighing(1, 100)) // and down slowly
	if got := w.limit(1000); got > 20 {
		t.Errorf("after one small event it asks for %d", got)
	}
	for range 100 {
		w.read(weighing(1, 100))
	}
	if got := w.limit(1000); got != 1000 {
		t.Errorf("of small events it asks for %d again, want all", got)
	}
	w.read(weighing(1, 2*readBytes))
	if got := w.limit(1000); got != 1 {
		t.Errorf("of events larger than an answer it asks for %d, want 1", got)
	}
}

func TestReadsThatFailAskForLess(t *testing.T) {
	t.Parallel()
	var w weight
	w.read(weighing(1, 100))
	for _, want := range []int{1000, 500, 250} {
		if got := w.limit(1000); got != want {
			t.Errorf("it asks for %d events, want %d", got, want)
		}
		w.failed()
	}
	for range 100 {
		w.failed()
	}
	if got := w.limit(1000); got != 1 {
		t.Errorf("after many failures it asks for %d events, want 1", got)
	}
	for range mostHalved {
		w.read(nil)
	}
	if got := w.limit(1000); got != 1000 {
		t.Errorf("soon after all is well it asks for %d events, want 1000", got)
	}
}

func TestStretchesAnswerIsNeverTakenForNothing(t *testing.T) {
	t.Parallel()
	var w weight
	if room, reply := w.within(1000); room != 1000 || reply != shareBytes {
		t.Errorf("of an unknown stream it asks for %d bytes, and reckons with %d", room, reply)
	}
	w.came(10, 1000)
	if room, reply := w.within(1000); room != 1000 || reply != 1000 {
		t.Errorf("of small events it asks for %d bytes, and reckons with %d", room, reply)
	}
	w.came(1, 5000)
	if room, reply := w.within(1000); room != 1000 || reply != 5000 {
		t.Errorf("of large events it asks for %d bytes, and reckons with %d", room, reply)
	}
	for range 100 {
		w.failed()
	}
	if room, reply := w.within(1000); room != 1 || reply != 5000 {
		t.Errorf("after many failures it asks for %d bytes, and reckons with %d", room, reply)
	}
}
