package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// as is call for a page of this origin ("": none), which asks the hub by this name.
func (h *testHub) as(origin, host, method, path, body string, header ...string) response {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.base+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if r.Host = host; origin != "" {
		r.Header.Set("Origin", origin)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	answer, err := client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return response{answer, nil}
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return response{answer, text}
}

func TestFormsOfOtherSitesPublishAndPullNothing(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	own := strings.TrimPrefix(h.base, "http://")
	const form = "Content-Type: application/x-www-form-urlencoded"
	for _, path := range []string{"/v1/streams/forged/events", "/v1/events", "/v1/sinks/forged/pull?stream=forged"} {
		answer := h.as("https://evil.example", own, "POST", path, `{"data":1}`, form)
		if answer.StatusCode != http.StatusForbidden || contractProblem(t, answer).Code != hub.CodeForbidden {
			t.Errorf("%s: %d %s", path, answer.StatusCode, answer.body)
		}
	}
	for _, path := range []string{"/v1/streams/forged", "/v1/sinks/forged"} {
		h.want(http.StatusNotFound, "GET", path, "")
	}
	// curl sends the same, without an Origin.
	if answer := h.as("", own, "POST", "/v1/streams/orders/events", `{"data":1}`, form); answer.StatusCode != http.StatusCreated {
		t.Errorf("a program is answered %d %s", answer.StatusCode, answer.body)
	}
}

func TestOnlyAHubOnLoopbackMindsTheNameItIsAskedBy(t *testing.T) {
	t.Parallel()
	const name = "hub.example.com"
	for _, c := range []struct {
		settings []string
		answered bool
	}{
		{nil, false},
		{[]string{"HUB_ALLOWED_ORIGINS=https://app.example.com"}, false},
		{[]string{"HUB_ALLOWED_ORIGINS=https://" + name}, true},
		{[]string{"HUB_ALLOWED_ORIGINS=*"}, true},
		{[]string{"HUB_ADDR=0.0.0.0:0", "HUB_ALLOW_ANONYMOUS=true"}, true}, // behind a proxy, that is
	} {
		h := startHub(t, c.settings...)
		for _, origin := range []string{"", "https://" + name} {
			for status, answer := range map[int]response{
				http.StatusSwitchingProtocols: h.as(origin, name, "GET", "/v1/broadcast/ws?channel=a", "", contractUpgrade...),
				http.StatusCreated:            h.as(origin, name, "POST", "/v1/streams/orders/events", `{"data":1}`),
				http.StatusOK:                 h.as(origin, name, "GET", "/livez", ""),
			} {
				if !c.answered {
					status = http.StatusForbidden
				}
				if answer.StatusCode != status {
					t.Errorf("with %q and Origin %q, %s is answered %d %s, want %d", c.settings, origin, answer.Request.URL.Path, answer.StatusCode, answer.body, status)
				}
			}
		}
	}
}
