package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"eventhub/internal/redistest"
)

func TestDurabilityIsThatOfTheRequestOrTheServer(t *testing.T) {
	t.Parallel()
	primary, replica := redistest.StartReplicated(t)
	fast := startHub(t, "HUB_REDIS_URL="+primary.URL())
	replicated := startHub(t, "HUB_REDIS_URL="+primary.URL(), "HUB_DURABILITY=replicated")
	bodies := map[string]string{
		"/v1/streams/orders/events": `{"data":1}`,
		"/v1/streams/orders/raw":    `1`,
		"/v1/events":                `[{"stream":"orders","data":1},{"stream":"payments","data":1}]`,
	}
	for path, body := range bodies {
		for _, c := range []struct {
			hub         *testHub
			query, want string
		}{
			{fast, "", "fast"},
			{fast, "?durability=replicated", "replicated"},
			{replicated, "", "replicated"},
			{replicated, "?durability=fast", "fast"},
		} {
			answer := c.hub.call("POST", path+c.query, body)
			var said struct{ Durability string }
			if err := json.Unmarshal(answer.body, &said); err != nil || answer.StatusCode != http.StatusCreated || said.Durability != c.want {
				t.Errorf("%s%s: %d %s, want 201 and %s", path, c.query, answer.StatusCode, answer.body, c.want)
			}
		}
		answer := fast.call("POST", path+"?durability=paper", body)
		if answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(answer.body), `"?durability"`) || !strings.Contains(string(answer.body), "want fast or replicated") {
			t.Errorf("%s with another durability: %d %s", path, answer.StatusCode, answer.body)
		}
	}
	replica.Pause()
	for path, body := range bodies {
		answer := replicated.call("POST", path, body)
		if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(answer.body), `"unconfirmed"`) || answer.Header.Get("Retry-After") == "" {
			t.Errorf("%s without a replica: %d %s", path, answer.StatusCode, answer.body)
		}
		if answer := fast.call("POST", path, body); answer.StatusCode != http.StatusCreated {
			t.Errorf("%s without a replica, which it does not ask for: %d %s", path, answer.StatusCode, answer.body)
		}
	}
}
