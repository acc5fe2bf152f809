package hub_test

import (
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestLabelsAreReadFromTheJSON(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{"", "eu.de", `a"\b`, "ü😀"} {
		for _, typ := range []string{"", "order.created", `"`} {
			e := hub.Event{
				ID: `x"y`, Channel: "room-1", Type: typ, Topic: topic, Key: "k", Time: time.Now(),
				Data: []byte(`{"topic":"other","type":"other"}`),
			}
			if gotTopic, gotType := hub.Labels(e.AppendJSON(nil)); gotTopic != topic || gotType != typ {
				t.Errorf("topic %q and type %q are read as %q and %q", topic, typ, gotTopic, gotType)
			}
		}
	}
}

// FuzzLabels: what other programs send may be anything.
func FuzzLabels(f *testing.F) {
	for _, seed := range []string{``, `{"id":`, `{"id":"`, `{"id":"a","channel":"b","type":"\`, `{"id":"a","channel":"b","type":"t","topic":"x"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		topic, typ := hub.Labels(event)
		if len(topic)+len(typ) > 3*len(event) {
			t.Errorf("%q has the topic %q and the type %q", event, topic, typ)
		}
	})
}
