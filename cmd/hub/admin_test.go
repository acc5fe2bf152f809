package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// asked is the status and the text of an answer.
func asked(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(text)
}

func TestAdministrationIsOnTheListenerOfItsOwn(t *testing.T) {
	t.Parallel()
	addr := freeAddress(t)
	h := startHub(t, "HUB_ADMIN_ADDR="+addr, "HUB_ACCESS_LOG=true", "HUB_LOG_LEVEL=info")
	for path, want := range map[string]string{"/metrics": "hub_http_requests_total", "/debug/pprof/": "goroutine", "/log-level": `{"level":"info"}`} {
		if status, text := asked(t, "GET", h.base+"/livez", ""); status != http.StatusOK {
			t.Fatalf("it does not live: %d %s", status, text)
		}
		if status, text := asked(t, "GET", "http://"+addr+path, ""); status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%s is answered %d %.300s", path, status, text)
		}
		if status, text := asked(t, "GET", h.base+path, ""); status != http.StatusNotFound {
			t.Errorf("on HUB_ADDR %s is answered %d %.300s", path, status, text)
		}
	}
	const silenced, told = "/v1/streams/silenced", "/v1/streams/told"
	for _, c := range []struct{ level, path string }{{"error", silenced}, {"info", told}} {
		if status, text := asked(t, "PUT", "http://"+addr+"/log-level", `{"level":"`+c.level+`"}`); status != http.StatusOK {
			t.Fatalf("the level is set to %s: %d %s", c.level, status, text)
		}
		if status, _ := asked(t, "PATCH", h.base+c.path, ""); status != http.StatusMethodNotAllowed {
			t.Errorf("%s is answered %d", c.path, status)
		}
	}
	if log := h.logs.String(); strings.Contains(log, silenced) || !strings.Contains(log, told) {
		t.Error("the level of the log was not what it was set to")
	}
}
