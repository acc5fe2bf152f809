package broker

import (
	"testing"

	"eventhub/internal/redistest"
)

// Who attached a sink to a stream that was taken from it meanwhile may say so late.
func TestOnlyWhatWasAttachedIsNotedAsAttached(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b, _ := startConsumer(t, s.URL())
	client, key := s.Client(t), b.keys.sink("billing")
	for name, before := range map[string]string{"taken away": "", "named again": "1700000000000002", "attached": "1"} {
		if before != "" {
			client.HSet(t.Context(), key, "stream:refunds", before)
		}
		cmd := attachedScript.call([]string{key}, "refunds", "1700000000000001")
		if err := b.work(t.Context(), key, cmd); err != nil {
			t.Fatal(err)
		}
		if after := client.HGet(t.Context(), key, "stream:refunds").Val(); after != before {
			t.Errorf("%s: the field was %q, and is %q", name, before, after)
		}
		client.HDel(t.Context(), key, "stream:refunds")
	}
}
