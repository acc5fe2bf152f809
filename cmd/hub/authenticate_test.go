package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"eventhub/internal/auth"
)

// TestHubThatAnybodyCouldReachDoesNotStart: without keys or tokens a hub serves this
// machine only, unless it is told otherwise.
func TestHubThatAnybodyCouldReachDoesNotStart(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		logs := newLogBuffer()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := run(ctx, []string{"hub"}, environment([]string{"HUB_ADDR=" + addr}), io.Discard, logs)
		cancel()
		if err == nil || exitCode(err) != 2 || strings.Contains(logs.String(), `"listening"`) {
			t.Errorf("%s: the hub has started, and ended with %v", addr, err)
			continue
		}
		for _, setting := range []string{"HUB_API_KEYS_FILE", "HUB_JWT_", "HUB_ALLOW_ANONYMOUS"} {
			if !strings.Contains(err.Error(), setting) {
				t.Errorf("%s: %s is not named: %v", addr, setting, err)
			}
		}
	}
}

func TestHubThatIsToldToServesAnybodyWithAWarning(t *testing.T) {
	h := startHub(t, "HUB_ADDR=0.0.0.0:0", "HUB_ALLOW_ANONYMOUS=true")
	if !strings.Contains(h.logs.String(), `"level":"WARN","msg":"anybody who reaches this hub may do everything (HUB_ALLOW_ANONYMOUS)`) {
		t.Errorf("it did not warn:\n%s", h.logs)
	}
	quiet := startHub(t, "HUB_ALLOW_ANONYMOUS=true")
	if strings.Contains(quiet.logs.String(), "HUB_ALLOW_ANONYMOUS") {
		t.Errorf("a hub on loopback warns:\n%s", quiet.logs)
	}
}

func TestHubWithKeysStartsAnywhere(t *testing.T) {
	_, hash := auth.NewKey()
	keys := writeFile(t, fmt.Sprintf("keys: [{id: shop, hash: %q}]", hash))
	h := startHub(t, "HUB_ADDR=0.0.0.0:0", "HUB_API_KEYS_FILE="+keys)
	if strings.Contains(h.logs.String(), "HUB_ALLOW_ANONYMOUS") || !strings.Contains(h.logs.String(), `"authentication":true`) {
		t.Errorf("the log says:\n%s", h.logs)
	}
}

// TestEveryLimitIsCounted holds the metric to the limits that there are.
func TestEveryLimitIsCounted(t *testing.T) {
	h := startHub(t)
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get(h.base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range limits {
		if !strings.Contains(string(text), fmt.Sprintf("hub_limited_total{limit=%q} 0\n", limit)) {
			t.Errorf("%s is not counted", limit)
		}
	}
	if !strings.Contains(string(text), `hub_auth_failures_total{reason="signature"} 0`) {
		t.Error("failures are not counted")
	}
}
