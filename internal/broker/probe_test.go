package broker

import (
	"testing"
	"time"
)

func TestConnectionIsToBlameForProbesThatRedisHasTaken(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var p probes
	p.next() // never sent
	if p.lost(now.Add(time.Hour)) || p.age() >= 0 || p.working() {
		t.Error("a probe that was not sent is lost, or something was heard")
	}
	p.taken(2, now)
	const enough = probeSilence - pingInterval
	if p.lost(now.Add(enough)) || !p.lost(now.Add(enough+1)) {
		t.Errorf("it is not lost when a ping is answered that was sent %s later", enough)
	}
	p.hear(3, now) // a later one says the same
	if p.lost(now.Add(time.Hour)) || !p.working() {
		t.Error("it was heard, and is lost")
	}
	p.taken(3, now) // its answer comes behind it
	if p.lost(now.Add(time.Hour)) {
		t.Error("it was heard before its answer, and is lost")
	}
	p.taken(4, now)
	p.excuse()
	if p.lost(now.Add(time.Hour)) {
		t.Error("its connection is gone, and it is lost")
	}
}
