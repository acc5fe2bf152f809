package broker

import (
	"testing"
	"time"
)

// A sink that was deleted looks at nothing: it must not be woken for that.
func TestNoStampKeepsADeletedSinkAwake(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, gone := range []bool{false, true} {
		s := newSink(&Broker{}, "billing", settings{})
		s.gone = gone
		s.streams["orders"] = &sinkStream{name: "orders", reclaimAt: now.Add(time.Minute)}
		s.suspect()
		if sleep := s.nextLook(now.Add(time.Millisecond)); sleep > time.Millisecond != gone {
			t.Errorf("a sink that is gone %t sleeps %s", gone, sleep)
		}
	}
}
