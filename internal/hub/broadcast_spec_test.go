package hub_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"eventhub/internal/hub"
)

func TestBroadcastSpecIsRead(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]hub.BroadcastSpec{
		"channel=b&channel=a&channel=b": {Channels: []string{"b", "a"}, Slow: hub.SlowDisconnect},
		"channel=a&slow=disconnect":     {Channels: []string{"a"}, Slow: hub.SlowDisconnect},
		"channel=a&slow=drop&topic=eu.**&topic=us&type=re:a|b": {
			Channels: []string{"a"}, Topics: []string{"eu.**", "us"}, Types: []string{"re:a|b"}, Slow: hub.SlowDrop,
		},
	} {
		spec, err := hub.ParseBroadcastSpec(query, 2)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
		if len(spec.Topics) == 0 && len(spec.Types) == 0 {
			spec.Topics, spec.Types = nil, nil
		}
		if diff := cmp.Diff(want, spec); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

func TestEveryFaultOfABroadcastSpecIsListed(t *testing.T) {
	t.Parallel()
	_, err := hub.ParseBroadcastSpec("channel=a&channel=b&channel=c&channel=d+e&stream=x&slow=wait&topic=&type=re:(", 2)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"?stream", "not a known"},
		{"?channel", "not a channel name"},
		{"?channel", "3 names, at most 2"},
		{"?topic", "is empty"},
		{"?type", "not a regular expression"},
		{"?slow", "want disconnect or drop"},
	})
	_, err = hub.ParseBroadcastSpec("slow=drop&slow=drop", 2)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?channel", "missing"}, {"?slow", "given 2 times"}})
}
