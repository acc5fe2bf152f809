package hub_test

import (
	"strings"
	"testing"

	"eventhub/internal/hub"
)

func TestPublicationIsRead(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{"": false, "if_exists=true": true, "if_exists=false": false} {
		p, err := hub.ParsePublication(query, nil)
		if err != nil || p.IfExists != want || p.Key != "" {
			t.Errorf("%q is %+v (%v)", query, p, err)
		}
	}
	p, err := hub.ParsePublication("if_exists=true", []string{"é 1"})
	if err != nil || !p.IfExists || p.Key != "é 1" {
		t.Errorf("it is %+v (%v)", p, err)
	}
	p, err = hub.ParseRaw("type=order.created&topic=eu.de&key=a%26b&if_exists=true", []string{"k"})
	if err != nil || !p.IfExists || p.Key != "k" || len(p.Events) != 1 {
		t.Fatalf("it is %+v (%v)", p, err)
	}
	if e := p.Events[0]; e.Type != "order.created" || e.Topic != "eu.de" || e.Key != "a&b" {
		t.Errorf("the event is %+v", e)
	}
	if err := hub.ParseBroadcast("", nil); err != nil {
		t.Error(err)
	}
	for query, want := range map[string]bool{"": false, "dry_run=true": true, "dry_run=false": false} {
		if dry, err := hub.ParsePrune(query); err != nil || dry != want {
			t.Errorf("%q is %t (%v)", query, dry, err)
		}
	}
}

func TestEveryFaultOfAPublicationIsListed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 257)
	_, err := hub.ParsePublication("if_exists=yes&x=1", []string{long})
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"?x", "not a known query parameter"}, {"?if_exists", `"yes" is neither true nor false`}, {"header Idempotency-Key", "257 bytes"},
	})
	for key, says := range map[string]string{"": "is empty", "a\x7f": "U+007F", "\xff": "not valid UTF-8"} {
		_, err := hub.ParsePublication("", []string{key})
		checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"header Idempotency-Key", says}})
	}
	_, err = hub.ParsePublication("if_exists=true&if_exists=true", []string{"a", "a"})
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?if_exists", "given 2 times"}, {"header Idempotency-Key", "given 2 times"}})
	_, err = hub.ParseRaw("type="+long+"&topic=%00&key=a&key=b&stream=x", nil)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?stream", "not a known"}, {"?type", "257 bytes"}, {"?topic", "U+0000"}, {"?key", "given 2 times"}})
	checkFaults(t, hub.ParseBroadcast("if_exists=true", []string{"k"}), hub.CodeInvalidRequest, []fault{
		{"?if_exists", "not a known"}, {"header Idempotency-Key", "not for broadcasts"},
	})
	_, err = hub.ParsePrune("dry_run=1&x")
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{{"?x", "not a known"}, {"?dry_run", "neither"}})
}
