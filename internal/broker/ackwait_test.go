package broker_test

import (
	"testing"
	"time"

	"eventhub/internal/hub"
	"eventhub/internal/redistest"
)

func TestAckWaitWithAFractionOfAMillisecondIsNoConflictWithItself(t *testing.T) {
	t.Parallel()
	b := startBroker(t, redistest.Start(t).URL())
	spec, err := hub.ParseConsumerSpec("billing", "stream=orders&ack_wait=1.0005s", hub.SpecDefaults{Prefetch: 1, MaxStreams: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := consume(t, b, spec).Info().Config.AckWait; got != time.Second {
			t.Errorf("ack_wait is %s", got)
		}
	}
}
