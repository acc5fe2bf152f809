package hub_test

import (
	"testing"
	"time"

	"eventhub/internal/hub"
)

func TestTicketSaysHowLongItIsGood(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		"": 30 * time.Second, " ": 30 * time.Second, "{}": 30 * time.Second, `{"ttl":"1s"}`: time.Second, `{"ttl":"5m"}`: 5 * time.Minute,
	} {
		if ttl, err := hub.DecodeTicket([]byte(body)); err != nil || ttl != want {
			t.Errorf("%q is %s, %v, want %s", body, ttl, err, want)
		}
	}
	for _, body := range []string{`{"ttl":"999ms"}`, `{"ttl":"5m1s"}`, `{"ttl":30}`, `{"ttl":null}`, `{"ttl":"-1s"}`, `{"tl":"30s"}`, `[]`, `{`, `"30s"`} {
		if ttl, err := hub.DecodeTicket([]byte(body)); err == nil || hub.AsError(err).Code != hub.CodeInvalidRequest || ttl != 0 {
			t.Errorf("%q is %s, %v, want %s", body, ttl, err, hub.CodeInvalidRequest)
		}
	}
}
